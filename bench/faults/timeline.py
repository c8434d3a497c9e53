"""What was done to the cluster and when, and what nobody could have avoided meanwhile."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench.faults.outcomes import HUNG, OK, Outcome


@dataclass(frozen=True, slots=True)
class Excuse:
    """Outcomes that no service could have avoided between two moments.

    Attributes:
        start_s: From when, by the monotonic clock.
        end_s: Until when.
        statuses: Statuses, other than OK, that are excused.
        missing: Shards that an answer may lack.
    """

    start_s: float
    end_s: float
    statuses: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()

    def covers(self, outcome: Outcome) -> bool:
        """Says whether the request was under way between the two moments and ended as is excused. Never a hung one."""
        if outcome.finished_s < self.start_s or outcome.intended_s > self.end_s or outcome.status == HUNG:
            return False
        if outcome.status != OK:
            return outcome.status in self.statuses
        return outcome.searched is not None and outcome.searched.missing <= self.missing


@dataclass(slots=True)
class Timeline:
    """The story of one fault.

    Attributes:
        strikes: Moments from which the service is to recover: each fault, and each end of an outage.
        outages: Intervals in which some of it cannot be had by anybody, so that recovery is not measured in them.
        excuses: What is excused.
        unnoticed: Intervals in which a server reads a damaged file and cannot know it yet: an answer may be wrong.
    """

    clock: Callable[[], float] = time.monotonic
    strikes: list[float] = field(default_factory=list)
    outages: list[tuple[float, float]] = field(default_factory=list)
    excuses: list[Excuse] = field(default_factory=list)
    unnoticed: list[tuple[float, float]] = field(default_factory=list)

    def strike(self) -> float:
        """Notes that a fault strikes now, which the service is to hide or to recover from."""
        self.strikes.append(self.clock())
        return self.strikes[-1]

    @contextmanager
    def outage(self, missing: Collection[str], grace_s: float, statuses: Collection[str] = ()) -> Iterator[None]:
        """Excuses answers without some shards while the block runs, and ``grace_s`` longer: nobody is told at once.

        Statuses are excused as well, if any.

        Recovery is measured from the end of the block.
        """
        start = self.clock()
        try:
            yield
        finally:
            end = self.strike()
            self.outages.append((start, end))
            self.excuses.append(Excuse(start, end + grace_s, frozenset(statuses), frozenset(missing)))


def is_within(outcome: Outcome, intervals: Iterable[tuple[float, float]]) -> bool:
    """Says whether a request was under way in one of some intervals."""
    return any(outcome.intended_s <= end and outcome.finished_s >= start for start, end in intervals)
