"""Runs the tasks of a build on Ray: on this machine, or on a cluster. The only file of the package that imports Ray.

Ray places tasks by the cores and memory that they ask for, and runs one again whose worker died. Every machine must
see the index and the temporary files under the same paths: a shared file system. What tasks tell on their way, and that
they are to end, goes through files there (`task_file`).
"""

import logging
import os
import secrets
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import Any, Generic, TypeVar

import psutil

from index_format.errors import IndexFormatError
from indexing.errors import BuildWorkerError, IndexingError
from indexing.task_file import NobodyWaitsError, TaskFileWriter, amount_done, make_task_file
from indexing.tasks import Advanced, Share, Task
from suffix_engine import EngineError

# Read by Ray when it is imported.
_ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0"}
# ... and for a Ray of our own. Its ports listen on every interface; a token keeps others out of them. On a busy machine
# a node takes some 20 s to be ready. Workers would be 15 steps nicer than the command that started them.
_OWN_ENVIRONMENT = {"RAY_AUTH_MODE": "token", "RAY_raylet_start_wait_time_s": "60", "RAY_worker_niceness": "0"}
# Ray replaces 127.0.0.1 by the machine's outward address; this one it takes for what it is, a loopback address.
_NODE_ADDRESS = "127.0.0.2"
_OBJECT_STORE_BYTES = 100 << 20
_TEMPORARY = "headwater-ray-"
_STARTS = 2
_SECONDS_TO_CONNECT = 10.0
# After the first try: a worker that dies of what it works on, and not of its machine, dies every time.
_RETRIES = 3
_SECONDS_BETWEEN_LOOKS = 1.0
# ... and at most this share of the time: thousands of files of a slow file system take a while.
_SHARE_OF_LOOKS = 0.1
# A task that is to end does so when it next tells something, and a worker that is ended by force soon after.
_SECONDS_TO_END = 5.0
_CONTINUES = "what is done is kept, and the same command goes on from it"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Failure:
    """What a task raised. Sent as a result: Ray would wrap it into an error of its own."""

    error: Exception


@dataclass(frozen=True, slots=True)
class _Running(Generic[T]):
    """A task that Ray was given, its file, and what was told of it."""

    task: Task[T]
    file: Path
    share: Share


class RayTasks:
    """Implements `tasks.TaskRunner`."""

    one_core = True

    def __init__(self, workers: int, folder: Path):
        """Runs ``workers`` tasks at a time, 0 for as many as the cluster has cores; ``folder`` is for their files."""
        self._nodes = _nodes()
        self._workers = workers or sum(int(node["CPU"]) for node in self._nodes)
        self._cores = min(int(node["CPU"]) for node in self._nodes)
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def at_once(self) -> int:
        """See `tasks.TaskRunner.at_once`."""
        return max(1, sum(int(node["CPU"]) // self._cores for node in self._nodes))

    @property
    def memory_bytes(self) -> int:
        """See `tasks.TaskRunner.memory_bytes`."""
        return int(min(node.get("memory", 0) for node in self._nodes))

    def run(self, tasks: Iterable[Task[T]], advanced: Advanced) -> Iterator[T]:
        """See `tasks.TaskRunner.run`."""
        import ray

        waiting = iter(tasks)
        running: dict[Any, _Running[T]] = {}
        next_look = 0.0
        by_force = True
        try:
            while True:
                while len(running) < self._workers and (task := next(waiting, None)) is not None:
                    reference, file = self._submit(task)
                    running[reference] = _Running(task, file, Share(task.amount, advanced))
                if not running:
                    return
                ended, _ = ray.wait(list(running), num_returns=1, timeout=_SECONDS_BETWEEN_LOOKS)
                for reference in ended:
                    one = running.pop(reference)
                    one.file.unlink(missing_ok=True)
                    result = _result_of(reference, one.task)
                    one.share.finished()
                    yield result
                if (began := monotonic()) >= next_look:
                    _look(running.values())
                    took = monotonic() - began
                    next_look = began + max(_SECONDS_BETWEEN_LOOKS, took / _SHARE_OF_LOOKS)
        except (KeyboardInterrupt, SystemExit):
            by_force = False
            raise
        finally:
            _end(running, by_force=by_force)

    def _submit(self, task: Task[Any]) -> tuple[Any, Path]:
        """Gives Ray a task; returns the reference of its result, and its file."""
        import ray

        cores = task.cores or self._cores
        if not any(node["CPU"] >= cores and node.get("memory", 0) >= task.memory_bytes for node in self._nodes):
            most = max(int(node.get("memory", 0)) for node in self._nodes)
            raise BuildWorkerError(
                f"{task.name}: no machine of the Ray cluster offers {cores} cores and {task.memory_bytes:,} bytes of "
                f"memory, the most memory is {most:,} bytes; lower --memory, or add machines"
            )
        remote: Any = ray.remote(_call)
        call = remote.options(
            name=task.name, num_cpus=cores, memory=task.memory_bytes, max_retries=_RETRIES, retry_exceptions=False
        )
        file = make_task_file(self._folder)
        return call.remote(version("headwater"), task, cores, file), file


@contextmanager
def ray_tasks(workers: int, address: str | None, memory_bytes: int, folder: Path) -> Iterator[RayTasks]:
    """Yields a runner on the cluster at ``address``, or on a Ray of its own that is stopped at the end.

    Small files of the tasks at work are in ``folder``, which every machine sees.

    A Ray that this process is connected to already is used as it is. Of its own Ray ``memory_bytes`` bounds what all
    tasks of a moment take together.

    Raises:
        BuildWorkerError: Ray does not start, or there is no cluster at the address.
    """
    chosen = _ENVIRONMENT
    if address is None:
        chosen = {**_ENVIRONMENT, **_OWN_ENVIRONMENT, "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    os.environ.update({name: value for name, value in chosen.items() if name not in os.environ})
    import ray

    if ray.is_initialized():
        yield RayTasks(workers, folder)
        return
    _remove_left_behind()
    # Not in the folder of the build: paths of Ray's sockets, some 80 characters deeper, have at most 107.
    prefix = f"{_TEMPORARY}{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as temp_dir:
        with _handlers_kept():
            if address is None:
                _start(workers, memory_bytes, temp_dir)
            else:
                _connect(address)
        try:
            yield RayTasks(workers, folder)
        finally:
            ray.shutdown()


def _remove_left_behind() -> None:
    """Removes the folders of builds that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_TEMPORARY}*-*"):
        pid = folder.name.removeprefix(_TEMPORARY).partition("-")[0]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _start(workers: int, memory_bytes: int, temp_dir: str) -> None:
    """Starts Ray, again if need be: where several start at once, one may lose a port to another and never get ready."""
    import ray

    for tries_left in reversed(range(_STARTS)):
        try:
            ray.init(
                address="local",  # never one that happens to run
                num_cpus=workers,
                object_store_memory=_OBJECT_STORE_BYTES,
                _memory=memory_bytes,
                include_dashboard=False,
                logging_level=logging.ERROR,
                log_to_driver=False,
                _node_ip_address=_NODE_ADDRESS,
                _temp_dir=temp_dir,
            )
            return
        except Exception as error:  # Ray raises just that
            ray.shutdown()
            if not tries_left:
                raise BuildWorkerError(
                    f"Ray did not start ({' '.join(str(error).split())}); --workers 1 builds without it"
                ) from error


def _connect(address: str) -> None:
    import ray

    try:
        _reach(address)
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except Exception as error:  # Ray raises just that
        reason = (str(error).split("\n") or [type(error).__name__])[0]
        raise BuildWorkerError(
            f"{address}: cannot connect to a Ray cluster there ({reason}); start one with 'ray start', "
            "or leave --ray-address out to use this machine alone"
        ) from error


def _reach(address: str) -> None:
    """Raises OSError if nothing listens at an address: Ray itself would try for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), _SECONDS_TO_CONNECT).close()


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Puts back who is told of SIGTERM: Ray makes itself that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)


def _nodes() -> list[dict[str, float]]:
    """Returns what each machine offers that does work."""
    import ray

    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    offers: list[dict[str, float]] = [node["Resources"] for node in nodes if node["Alive"]]
    working = [offer for offer in offers if offer.get("CPU", 0) >= 1]
    if not working:
        raise BuildWorkerError("the Ray cluster has no machine with a core to work with; start Ray with --num-cpus")
    return working


def _call(driver_version: str, task: Task[T], cores: int, file: Path) -> T | _Failure:
    """Runs a task in a worker. What input, files or the disk may cause is returned."""
    try:
        if (found := version("headwater")) != driver_version:
            raise BuildWorkerError(
                f"a worker has headwater {found}, the build was started by {driver_version}; install the same on all"
            )
        # Read by the tokenizers package when it first encodes.
        os.environ["RAYON_NUM_THREADS"] = str(cores)
        # A machine that does not see the folder does not see those of the build either: the task says so.
        advanced = TaskFileWriter(file) if file.parent.is_dir() else lambda amount: None
        return task.function(*task.arguments, advanced)
    except NobodyWaitsError:
        return _Failure(
            BuildWorkerError(
                f"{task.name}: {file} is gone, which says that the build has ended; the folder has to be the same on "
                f"every machine, and nobody else may remove files there; {_CONTINUES}"
            )
        )
    except (IndexingError, IndexFormatError, EngineError, OSError, MemoryError) as error:
        return _Failure(error)


def _look(running: Iterable[_Running[Any]]) -> None:
    """Tells how far tasks are."""
    for one in running:
        if (done := amount_done(one.file)) is not None:
            one.share.reached(done)


def _end(running: Mapping[Any, _Running[Any]], *, by_force: bool) -> None:
    """Has tasks end whose results nobody wants any more, and waits for that; nothing that they raise is told.

    They are not cancelled, as Ray ends this process if one of them is just ending by itself: it takes an answer that it
    no longer expects for a fault of its own. With ``by_force`` those are that do not end.
    """
    import ray

    for one in running.values():
        with suppress(OSError):  # of somebody who removed all of the build, for instance
            one.file.unlink()
    if not running:
        return
    with suppress(ray.exceptions.RayError):  # what ended the build counts, not that the cluster is gone by now
        _, left = ray.wait(list(running), num_returns=len(running), timeout=_SECONDS_TO_END)
        if left and by_force:
            for reference in left:
                ray.cancel(reference, force=True)
            ray.wait(left, num_returns=len(left), timeout=_SECONDS_TO_END)


def _result_of(reference: Any, task: Task[T]) -> T:
    import ray

    try:
        result = ray.get(reference)
    except ray.exceptions.RayTaskError:
        raise  # a fault of ours, with the worker's traceback
    except ray.exceptions.OutOfMemoryError as error:
        raise BuildWorkerError(
            f"{task.name}: Ray ended its worker {_RETRIES + 1} times, as the machine ran out of memory; "
            f"use fewer --workers or less --memory; {_CONTINUES}"
        ) from error
    except ray.exceptions.RayError as error:
        reason = " ".join(str(error).split())[:300]
        raise BuildWorkerError(
            f"{task.name}: its worker died {_RETRIES + 1} times ({reason}); look at the memory of the machine, and at "
            f"Ray's logs; {_CONTINUES}"
        ) from error
    if isinstance(result, _Failure):
        raise result.error
    return result  # type: ignore[no-any-return]
