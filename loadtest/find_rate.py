"""The highest rate that meets the targets: doubled until it misses them, then closed in on, then held for longer."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from loadtest.arrivals import Arrivals
from loadtest.errors import LoadTestError
from loadtest.results import Step, StepKind
from loadtest.schedule import Pace
from loadtest.targets import Targets

# Observations above the deciding quantile: with fewer, the quantile is an accident. The last step takes more.
_BEYOND = 5
_BEYOND_VERIFIED = 20
# A rate that is not the highest misses it by at most this share.
_PRECISION = 0.05
# How often a rate is tried before it counts as one that misses the targets; one that is plainly too high is tried once.
_TRIES = 3
_TOO_MANY_ERRORS = 0.1
# How often the last step may come down by the precision.
_MOST_RETREATS = 6


@dataclass(frozen=True, slots=True)
class Search:
    """How to look for the highest rate.

    Attributes:
        start_rate: First rate that is tried.
        highest_rate: None above it is tried.
        least_step_s: Shortest step.
        longest_step_s: Longest step before the last; low rates then have fewer observations than wanted.
        verify_s: Least length of the last step; it is at most twice as long.
        warm_up_s: Load before each step that is not measured.
        longest_s: When this has passed, the search goes on to its last step with the best rate so far, which may be
            repeated at somewhat lower rates.
        arrivals: How requests are spread.
    """

    start_rate: float = 10.0
    highest_rate: float = 10_000.0
    least_step_s: float = 5.0
    longest_step_s: float = 20.0
    verify_s: float = 30.0
    warm_up_s: float = 2.0
    longest_s: float = 600.0
    arrivals: Arrivals = "poisson"

    def check(self) -> None:
        """Returns if the numbers make sense.

        Raises:
            LoadTestError: otherwise.
        """
        if not 0 < self.start_rate <= self.highest_rate:
            raise LoadTestError(
                f"rates from {self.start_rate:g} to {self.highest_rate:g}, expected rising ones above 0"
            )


@dataclass(frozen=True, slots=True)
class Found:
    """What the search came to.

    Attributes:
        rate: The highest rate that met the targets in a last, longer step; None if none did.
        steps: All steps; the last one is that longer step, if any rate passed at all.
        notes: What a reader should know.
    """

    rate: float | None
    steps: tuple[Step, ...]
    notes: tuple[str, ...]


def find_rate(
    run_step: Callable[[Pace], Step],
    targets: Targets,
    search: Search,
    on_step: Callable[[Step], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> Found:
    """Returns the highest rate at which every target is met.

    A rate that misses a target is tried again, unless the server is plainly overloaded: a pause of the machine is no
    limit of the server. What passes by chance does not pass the last, longer step.

    Args:
        run_step: Sends one step of load.
        targets: What a step is judged by.
        search: How to look.
        on_step: Is told each step, judged.
        clock: Seconds that have passed.

    Raises:
        LoadTestError: the search makes no sense, or requests that fail miss no target.
    """
    search.check()
    targets.check_for_search()
    return _Finder(run_step, targets, search, on_step, clock).find()


class _Finder:
    """One search."""

    def __init__(
        self,
        run_step: Callable[[Pace], Step],
        targets: Targets,
        search: Search,
        on_step: Callable[[Step], None],
        clock: Callable[[], float],
    ):
        self._run_step = run_step
        self._targets = targets
        self._search = search
        self._on_step = on_step
        self._clock = clock
        self._ends = clock() + search.longest_s
        self._steps: list[Step] = []
        self._notes: list[str] = []

    def find(self) -> Found:
        passing, failing = self._bracket()
        if passing is not None and failing is not None:
            passing = self._bisect(passing, failing)
        rate = self._verify(passing) if passing is not None else None
        if passing is None:
            self._notes.append(f"the lowest rate tried, {self._steps[-1].rate:g}/s, misses the targets")
        if any(not step.client.kept_schedule for step in self._steps):
            self._notes.append(
                "the client was late in some steps: it may be the client, or this machine, that limits the rate"
            )
        return Found(rate, tuple(self._steps), tuple(self._notes))

    def _bracket(self) -> tuple[float | None, float | None]:
        """Returns the highest rate that passed and the lowest that did not, doubling or halving."""
        search = self._search
        rate, passing, failing = search.start_rate, None, None
        while not self._is_over():
            if self._passes("bracket", rate):
                passing = rate
                if failing is not None or rate >= search.highest_rate:
                    break
                rate = min(2 * rate, search.highest_rate)
            else:
                failing = rate
                # Down to where a step would have a handful of requests.
                if passing is not None or rate * search.longest_step_s < 2 * _BEYOND:
                    break
                rate /= 2
        if passing is not None and failing is None:
            self._notes.append(f"no rate that was tried misses the targets; the highest was {passing:g}/s")
        return passing, failing

    def _bisect(self, passing: float, failing: float) -> float:
        while failing > passing * (1 + _PRECISION) and not self._is_over():
            middle = round((passing + failing) / 2, 1)
            if self._passes("bisect", middle):
                passing = middle
            else:
                failing = middle
        return passing

    def _verify(self, rate: float) -> float | None:
        """Returns the rate that holds for longer, at most a little lower than ``rate``."""
        verify_s = self._search.verify_s
        # A search that was cut short may still verify, but not for ever.
        ends = max(self._ends, self._clock()) + _MOST_RETREATS * verify_s
        for _ in range(_MOST_RETREATS):
            if self._step("verify", rate, self._seconds(rate, _BEYOND_VERIFIED, verify_s, 2 * verify_s)).passed:
                return rate
            lowest, rate = rate, round(rate * (1 - _PRECISION), 2)
            if self._clock() >= ends:
                break
        self._notes.append(f"no rate down to {lowest:g}/s held for {verify_s:g} s")
        return None

    def _passes(self, kind: StepKind, rate: float) -> bool:
        search = self._search
        seconds = self._seconds(rate, _BEYOND, search.least_step_s, search.longest_step_s)
        for _ in range(_TRIES):
            step = self._step(kind, rate, seconds)
            if step.passed or self._is_overload(step):
                return step.passed
        return False

    def _is_overload(self, step: Step) -> bool:
        """Returns whether half of the answers took longer than almost all may, or too many requests have none."""
        latency, total = step.total.latency, step.total
        limits_ms = [each for each in (self._targets.p99_ms, self._targets.p95_ms, self._targets.p50_ms) if each]
        is_slow = bool(limits_ms) and latency is not None and latency.p50_ms > max(limits_ms)
        return latency is None or is_slow or total.error_rate > max(_TOO_MANY_ERRORS, self._targets.error_rate or 0.0)

    def _step(self, kind: StepKind, rate: float, seconds: float) -> Step:
        pace = Pace(kind, rate, rate, seconds, self._search.warm_up_s, self._search.arrivals)
        step = self._targets.judge(self._run_step(pace))
        self._steps.append(step)
        self._on_step(step)
        return step

    def _seconds(self, rate: float, beyond: int, least_s: float, longest_s: float) -> float:
        """Returns how long a step must be for so many observations above the deciding quantile."""
        needed = beyond / (1 - self._targets.deciding_quantile)
        return min(max(needed / rate, least_s), longest_s)

    def _is_over(self) -> bool:
        if self._clock() < self._ends:
            return False
        note = f"the search was cut short after {self._search.longest_s:g} s"
        if note not in self._notes:
            self._notes.append(note)
        return True
