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


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that succeeded: its wall time, its output, and the peak of the summed resident memory."""

    seconds: float
    output: str
    peak_bytes: int


def run_watched(command: Sequence[str], environment: Mapping[str, str], output: Path) -> Finished:
    """Runs ``command`` to its end, its output going to the file ``output``.

    The memory is polled every 10 ms: a shorter peak can be missed. Pages that several processes share count in each.

    Raises:
        BenchError: the command failed; its last output is in the message.
    """
    with output.open("wb") as file:
        began = perf_counter()
        process = subprocess.Popen(command, env=dict(environment), stdout=file, stderr=subprocess.STDOUT)
        watch = _Watch(process.pid)
        code = process.wait()
        seconds = perf_counter() - began
        peak_bytes = watch.stop()
    text = output.read_text(encoding="utf-8", errors="replace")
    if code != 0:
        raise BenchError(f"{' '.join(command)}: exit code {code}; {text[-500:]}")
    return Finished(seconds, text, peak_bytes)


class _Watch:
    """A thread that polls a process tree until it is stopped."""

    def __init__(self, root: int) -> None:
        self._peak_bytes = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._poll, args=(root,), name="memory-watch")
        self._thread.start()

    def stop(self) -> int:
        """Returns the peak."""
        self._done.set()
        self._thread.join()
        return self._peak_bytes

    def _poll(self, root: int) -> None:
        while not self._done.wait(_INTERVAL_S):
            self._peak_bytes = max(self._peak_bytes, _resident_bytes(root))


def _resident_bytes(root: int) -> int:
    try:
        process = psutil.Process(root)
        tree = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    total = 0
    for member in tree:
        try:
            total += member.memory_info().rss
        except psutil.NoSuchProcess:
            continue  # it ended since the list was made
    return total
