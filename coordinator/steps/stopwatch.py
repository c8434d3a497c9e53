"""Where the time of a trace goes, and how much is left."""

import time

from coordinator.results import Timings


class Stopwatch:
    """Measures the steps of one request against its deadline."""

    def __init__(self, deadline_s: float):
        """Starts now; the request has ``deadline_s`` seconds from here."""
        self._start = self._last = time.perf_counter()
        self._deadline = self._start + deadline_s
        self._laps_ms: dict[str, float] = {}

    def lap(self, step: str) -> None:
        """Ends step ``step``, which began when the one before it ended."""
        now = time.perf_counter()
        self._laps_ms[step] = (now - self._last) * 1000
        self._last = now

    def left_s(self) -> float:
        """Returns the seconds left before the deadline, never negative."""
        return max(0.0, self._deadline - time.perf_counter())

    def timings(self) -> Timings:
        """Returns the steps' times."""
        laps = {f"{step}_ms": spent for step, spent in self._laps_ms.items()}
        return Timings(**laps, total_ms=(self._last - self._start) * 1000)
