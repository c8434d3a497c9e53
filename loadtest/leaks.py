"""What the processes of the system use while it runs, and whether that stays flat."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt
import psutil

from loadtest.results import ProcessSeries

_Floats: TypeAlias = npt.NDArray[np.float64]

_MIB = 1 << 20
_KIB = 1 << 10
MOST_POINTS = 1_000
"""Looks of which a trend is taken; a day has 17,280, which are 149 million pairs."""
# A trend of fewer looks is chance.
_LEAST_LOOKS = 12


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a process may grow while it is looked at, by the trend of its looks.

    A trend is Theil and Sen's: the median of the slopes between all pairs of looks, so that a peak moves it little.

    Attributes:
        rss_share: Share of its memory at the beginning; ``rss_bytes`` come on top.
        rss_bytes: Bytes.
        num_fds: File descriptors.
        num_threads: Threads. A pool starts one only when all it has are busy, so the last ones may come late.
        warm_up_s: Looks in the first seconds of a process are left out: it fills its pools, caches and arenas.
        least_s: A process that is looked at for less time is not judged.
    """

    rss_share: float = 0.1
    rss_bytes: int = 16 * _MIB
    num_fds: float = 8.0
    num_threads: float = 8.0
    warm_up_s: float = 120.0
    least_s: float = 240.0

    def of_run(self, seconds: float) -> "Bounds":
        """Returns the same bounds with times that fit a shorter run."""
        scale = min(1.0, seconds / 1800)
        return Bounds(
            self.rss_share,
            self.rss_bytes,
            self.num_fds,
            self.num_threads,
            max(10.0, self.warm_up_s * scale),
            max(10.0, self.least_s * scale),
        )


@dataclass(frozen=True, slots=True)
class Growth:
    """How one process went.

    Attributes:
        name: Its part.
        seconds: How long it was looked at after its warm-up.
        rss_bytes: Growth of its memory in that time, by the trend.
        num_fds: The same of its file descriptors.
        num_threads: The same of its threads.
        over: What grew by more than the bounds allow, in words.
    """

    name: str
    seconds: float
    rss_bytes: float
    num_fds: float
    num_threads: float
    over: tuple[str, ...]


def growth_of(series: ProcessSeries, bounds: Bounds) -> Growth | None:
    """Returns how a process went, or None if it was looked at too briefly to say."""
    at = np.array(series.at_s)
    settled = at >= (at[0] + bounds.warm_up_s if len(at) else 0.0)
    at = at[settled]
    if len(at) < _LEAST_LOOKS or at[-1] - at[0] < bounds.least_s:
        return None
    rss, fds, threads = (
        np.array(values, dtype=np.float64)[settled] for values in (series.rss_bytes, series.num_fds, series.num_threads)
    )
    seconds = float(at[-1] - at[0])
    grown_rss, grown_fds, grown_threads = (trend(at, values) * seconds for values in (rss, fds, threads))
    most_rss = bounds.rss_share * float(np.median(rss[:_LEAST_LOOKS])) + bounds.rss_bytes
    over = []
    if grown_rss > most_rss:
        over.append(f"memory grew by {grown_rss / _MIB:.1f} MiB, at most {most_rss / _MIB:.1f} MiB are allowed")
    if grown_fds > bounds.num_fds:
        over.append(f"file descriptors grew by {grown_fds:.1f}, at most {bounds.num_fds:g} are allowed")
    if grown_threads > bounds.num_threads:
        over.append(f"threads grew by {grown_threads:.1f}, at most {bounds.num_threads:g} are allowed")
    told = tuple(f"{series.name}: {each} in {seconds:.0f} s" for each in over)
    return Growth(series.name, seconds, grown_rss, grown_fds, grown_threads, told)


def trend(at: _Floats, values: _Floats) -> float:
    """Returns the median slope between all pairs of points, in units a second.

    Of more than `MOST_POINTS` every second, third or so on is taken, so that the cost is bounded: it is quadratic in
    time and memory; 1,000 points take some 30 ms.
    """
    every = math.ceil(len(at) / MOST_POINTS) or 1
    at, values = at[::every], values[::every]
    first, second = np.triu_indices(len(at), 1)
    apart = at[second] - at[first]
    kept = apart > 0
    return float(np.median((values[second] - values[first])[kept] / apart[kept])) if kept.any() else 0.0


@dataclass(slots=True)
class _Looks:
    name: str
    at_s: list[float] = field(default_factory=list)
    rss_bytes: list[int] = field(default_factory=list)
    num_fds: list[int] = field(default_factory=list)
    num_threads: list[int] = field(default_factory=list)


class ProcessWatch:
    """Looks at processes every few seconds while the ``with`` block runs, from a thread of its own."""

    def __init__(
        self,
        processes: Callable[[], Sequence[psutil.Process]],
        name: Callable[[psutil.Process], str],
        interval_s: float,
    ):
        """Takes what to look at; nothing is looked at yet.

        Args:
            processes: Returns those that run at the moment.
            name: Says what a process is, or nothing if it is not to be looked at.
            interval_s: Time between two looks.
        """
        self._processes = processes
        self._name = name
        self._interval_s = interval_s
        self._looks: dict[tuple[int, float], _Looks] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="process-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def series(self, began: float) -> tuple[ProcessSeries, ...]:
        """Returns what was seen, by name; ``began`` is second 0, by `time.monotonic`.

        Processes of one name are told apart by number.
        """
        seen: dict[str, int] = {}
        found = []
        for looks in sorted(self._looks.values(), key=lambda one: (one.name, one.at_s[0])):
            seen[looks.name] = seen.get(looks.name, 0) + 1
            number = f" ({seen[looks.name]})" if seen[looks.name] > 1 else ""
            found.append(
                ProcessSeries(
                    looks.name + number,
                    tuple(round(at - began, 2) for at in looks.at_s),
                    tuple(looks.rss_bytes),
                    tuple(looks.num_fds),
                    tuple(looks.num_threads),
                )
            )
        return tuple(found)

    def _watch(self) -> None:
        while not self._stop.wait(self._interval_s):
            for process in self._processes():
                self._look(process)

    def _look(self, process: psutil.Process) -> None:
        # A process may end at any moment of this.
        try:
            key = process.pid, process.create_time()
            name = self._name(process)
            if not name:
                return
            rss_bytes, num_threads = _of_status(Path(f"/proc/{process.pid}/status").read_text())
            num_fds = len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
        except (psutil.Error, OSError, KeyError):
            return
        looks = self._looks.setdefault(key, _Looks(name))
        looks.name = name  # Ray's workers get theirs when they are given work
        looks.at_s.append(time.monotonic())
        looks.rss_bytes.append(rss_bytes)
        looks.num_fds.append(num_fds)
        looks.num_threads.append(num_threads)


def _of_status(content: str) -> tuple[int, int]:
    """Returns memory, in bytes, and threads; raises KeyError for a process that has ended and was not waited for."""
    fields = dict(line.split(":", 1) for line in content.splitlines() if ":" in line)
    return int(fields["VmRSS"].split()[0]) * _KIB, int(fields["Threads"])
