"""Twice as many requests as the service can answer: it refuses what is too much, and goes on answering the rest."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bench.faults.cluster import FaultCluster
from bench.faults.oracle import Oracle
from bench.faults.outcomes import Outcome
from bench.faults.timeline import Excuse, Timeline
from bench.faults.traffic import Load, Traffic
from bench.faults.verdict import Verdict, judge

KIND = "queue filled to twice the capacity"
LEAST_GOODPUT = 0.9
"""Share of the highest goodput that must be left under twice the load."""

# In flight at once: with one of these numbers goodput is highest.
_CLIENTS = (4, 8, 16)
_SEARCH_S = 4.0
# In turn, so that what else goes on on the machine weighs on both alike.
_ROUNDS = 3
_CAPACITY_S = 5.0
_OVERLOAD_S = 8.0
# What begins is not counted: queues fill, clients connect.
_WARM_UP_S = 2.0
# A caller that waits for an answer while others are refused does not wait long.
_TIMEOUT_S = 2.0
# Streams that one connection may have are fewer than the requests in flight.
_CHANNELS = 8
_AFTER_RATE = 10.0
_REFUSED = "RESOURCE_EXHAUSTED"


@dataclass(frozen=True, slots=True)
class Overload:
    """What was found.

    Attributes:
        verdict: On the requests at twice the capacity.
        capacity: Goodput with as many clients as suit it best, in answers a second.
        goodput_at_2x: Goodput under twice that rate, as a share of it.
    """

    verdict: Verdict
    capacity: float
    goodput_at_2x: float


def overload(cluster: FaultCluster, oracle: Oracle) -> Overload:
    """Finds the capacity with a few clients, then asks for twice as much whatever is answered; both several times."""
    cluster.settle()
    target, answers = cluster.coordinator.target, cluster.indexes.answers

    def clients(number: int) -> Load:
        return Load(
            target, answers, clients=number, timeout_s=_TIMEOUT_S, channels=_CHANNELS, metadata=cluster.metadata
        )

    found = {number: _measure(clients(number), _SEARCH_S, oracle).goodput for number in _CLIENTS}
    best = max(found, key=lambda number: found[number])
    timeline = Timeline()
    outcomes: list[Outcome] = []
    capacities, reached = [], []
    for _ in range(_ROUNDS):
        capacities.append(_measure(clients(best), _CAPACITY_S, oracle).goodput)
        rate = 2 * statistics.fmean(capacities)
        flood = _measure(replace(clients(0), rate=rate), _OVERLOAD_S, oracle)
        last_s = max(one.intended_s for one in flood.outcomes)
        timeline.excuses.append(Excuse(flood.outcomes[0].intended_s, last_s, frozenset({_REFUSED})))
        reached.append(flood.goodput)
        outcomes += flood.outcomes
    # What the service owes once the load is gone: to answer at once.
    timeline.strike()
    outcomes += _measure(
        Load(target, answers, rate=_AFTER_RATE, metadata=cluster.metadata), _WARM_UP_S, oracle
    ).outcomes
    capacity = statistics.fmean(capacities)
    share = statistics.fmean(reached) / capacity
    checks = [] if share >= LEAST_GOODPUT else [f"goodput is {share:.0%} of the capacity, expected {LEAST_GOODPUT:.0%}"]
    return Overload(judge(KIND, outcomes, timeline, oracle.is_right, checks), capacity, share)


@dataclass(frozen=True, slots=True)
class _Measured:
    """A load: its outcomes, and its goodput once it was under way."""

    outcomes: tuple[Outcome, ...]
    goodput: float


def _measure(load: Load, seconds: float, oracle: Oracle) -> _Measured:
    with Traffic(load) as traffic:
        began = time.monotonic() + _WARM_UP_S
        time.sleep(_WARM_UP_S + seconds)
        ended = time.monotonic()
    return _Measured(traffic.outcomes, goodput(traffic.outcomes, began, ended, oracle.is_right))


def goodput(outcomes: Sequence[Outcome], start_s: float, end_s: float, is_right: Callable[[Outcome], bool]) -> float:
    """Returns the complete and right answers a second that came between two moments."""
    good = [one for one in outcomes if start_s <= one.finished_s < end_s and one.is_complete and is_right(one)]
    return len(good) / (end_s - start_s)
