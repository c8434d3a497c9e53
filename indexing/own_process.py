"""Calls a function of ours in a process of its own, which ends with this one.

For work that holds Python's lock. As with the engine's calls it is an ordinary command and no `multiprocessing` child,
so a caller's main module is not imported a second time.
"""

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from indexing.errors import WorkerKilledError

T = TypeVar("T")
Advanced = Callable[[int], None]


def call_in_processes(
    function: Callable[..., T], calls: Iterable[tuple[Any, ...]], at_once: int, advanced: Advanced
) -> list[T]:
    """Returns the result of each call, in order, some at a time; in this process if ``at_once`` is 1 or there is one.

    Args:
        function: At the top level of a module of this package; its last argument is an `Advanced`.
        calls: The other arguments of each call; they and the results can be pickled.
        at_once: Most processes at a time.
        advanced: Told what the calls tell, from several threads, never two at once.

    Raises:
        WorkerKilledError: a process was killed. All others are ended, as on any exception here.
    """
    calls = list(calls)
    if at_once <= 1 or len(calls) <= 1:
        return [function(*arguments, advanced) for arguments in calls]
    lock, stopped = threading.Lock(), threading.Event()
    children: list[subprocess.Popen[bytes]] = []

    def tell(amount: int) -> None:
        with lock:
            advanced(amount)

    def started(child: "subprocess.Popen[bytes]") -> None:
        children.append(child)
        if stopped.is_set():
            child.kill()

    with ThreadPoolExecutor(at_once) as pool:
        futures = [pool.submit(_call, function, arguments, tell, started) for arguments in calls]
        try:
            return [future.result() for future in futures]
        except BaseException:
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            for child in children:
                child.kill()
            raise


def _call(
    function: Callable[..., T],
    arguments: tuple[Any, ...],
    advanced: Advanced,
    started: Callable[["subprocess.Popen[bytes]"], None],
) -> T:
    command = [sys.executable, "-P", "-m", "indexing.own_process"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(  # noqa: S603 - our own module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as child:
        try:
            started(child)
            assert child.stdin is not None
            assert child.stdout is not None
            pickle.dump((function, arguments), child.stdin)
            child.stdin.flush()  # and left open: it tells the child that we live
            while True:
                kind, value = pickle.load(child.stdout)  # noqa: S301 - our own process wrote it
                if kind == "advanced":
                    advanced(value)
                elif kind == "raised":
                    raise value
                else:
                    result: T = value
                    return result
        except (EOFError, BrokenPipeError) as error:
            code = child.wait()
            reason = "; did the machine run out of memory?" if code == -signal.SIGKILL else ""
            raise WorkerKilledError(f"a process ({function.__name__}) ended with status {code}{reason}") from error
        finally:
            child.kill()


def main() -> None:
    """Does one call that is read from standard input."""
    # Ctrl-C reaches the whole process group; who started this process decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    function, arguments = pickle.load(sys.stdin.buffer)  # noqa: S301 - who started this process wrote it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    output = sys.stdout.buffer

    def tell(kind: str, value: object) -> None:
        pickle.dump((kind, value), output)
        output.flush()

    try:
        result = function(*arguments, lambda amount: tell("advanced", amount))
    except Exception as error:  # the edge of the process: raised again on the other side
        tell("raised", error)
    else:
        tell("returned", result)


def _end_with_parent() -> None:
    # Below Python's buffering: its lock, held here when the interpreter ends, would abort the process.
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


if __name__ == "__main__":
    main()
