"""Runs a command and watches the memory of it and of every process it starts."""

import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import psutil

from bench.errors import BenchError

_INTERVAL_S = 0.01


class TimeLimitError(BenchError):
    """A command took longer than it may; it and its processes were ended."""


@dataclass(frozen=True, slots=True)
class WatchedProcess:
    """One process of a tree.

    Attributes:
        pid: Its id.
        command: Its command line as it was last seen; Ray's workers change theirs to what they do.
        peak_bytes: The most resident memory it ever had, as the kernel kept it. Mapped files that are in memory count.
    """

    pid: int
    command: str
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that succeeded: its wall time, its output, the peak of the summed resident memory, its processes."""

    seconds: float
    output: str
    peak_bytes: int
    processes: tuple[WatchedProcess, ...]


def run_watched(
    command: Sequence[str],
    environment: Mapping[str, str],
    output: Path,
    *,
    interval_s: float = _INTERVAL_S,
    limit_s: float | None = None,
) -> Finished:
    """Runs ``command`` to its end, its output going to the file ``output``.

    The summed memory is polled every ``interval_s``: a shorter peak can be missed. Pages that several processes share
    count in each. The peak of one process is the kernel's own record, of which only the last interval can be missed.
    A look at all processes of a machine takes some milliseconds of a core.

    Raises:
        BenchError: the command failed; its last output is in the message.
        TimeLimitError: it was not done within ``limit_s``.
    """
    with output.open("wb") as file:
        began = perf_counter()
        process = subprocess.Popen(command, env=dict(environment), stdout=file, stderr=subprocess.STDOUT)
        watch = _Watch(process.pid, interval_s)
        try:
            code = process.wait(limit_s)
        except BaseException as error:  # Ctrl-C, too: what runs for minutes must not stay behind
            _end(process)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            raise TimeLimitError(f"{' '.join(command)}: not done after {limit_s:.0f} s") from error
        finally:
            seconds = perf_counter() - began
            watch.stop()
    text = output.read_text(encoding="utf-8", errors="replace")
    if code != 0:
        raise BenchError(f"{' '.join(command)}: exit code {code}; {text[-500:]}")
    return Finished(seconds, text, watch.peak_bytes, watch.processes)


def _end(process: "subprocess.Popen[bytes]") -> None:
    for member in reversed(_tree(process.pid)):
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait()


class _Watch:
    """A thread that polls a process tree until it is stopped."""

    def __init__(self, root: int, interval_s: float) -> None:
        self.peak_bytes = 0
        self._interval_s = interval_s
        self._seen: dict[psutil.Process, WatchedProcess] = {}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._poll, args=(root,), name="memory-watch")
        self._thread.start()

    @property
    def processes(self) -> tuple[WatchedProcess, ...]:
        """All that were seen, in the order in which they were."""
        return tuple(self._seen.values())

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def _poll(self, root: int) -> None:
        while not self._done.wait(self._interval_s):
            self.peak_bytes = max(self.peak_bytes, self._resident_bytes(root))

    def _resident_bytes(self, root: int) -> int:
        total = 0
        for member in _tree(root):
            try:
                memory = _memory_of(member.pid)
                command = " ".join(member.cmdline())
            except (psutil.Error, OSError):
                continue  # it ended since the list was made
            if memory is not None:
                resident_bytes, peak_bytes = memory
                total += resident_bytes
                # Between its fork and its exec a process has the memory of the one that made it; exec begins the peak
                # anew. So the last record counts, and not the highest.
                self._seen[member] = WatchedProcess(member.pid, command, peak_bytes)
        return total


def _tree(root: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(root)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _memory_of(pid: int) -> tuple[int, int] | None:
    """Returns the bytes of resident memory now and at most; None of a process that has ended."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    if "VmRSS" not in fields:
        return None
    now, peak = (int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
    return now, peak
