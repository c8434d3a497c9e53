"""Twice as many requests as the service can answer: it refuses what is too much, and goes on answering the rest."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.faults.cluster import FaultCluster
from bench.faults.oracle import Oracle
from bench.faults.outcomes import Outcome
from bench.faults.timeline import Excuse, Timeline
from bench.faults.traffic import Load, Traffic
from bench.faults.verdict import Verdict, judge

KIND = "queue filled to twice the capacity"
LEAST_GOODPUT = 0.9
"""Share of the highest goodput that must be left under twice the load."""

# In flight at once: the highest goodput of these is what the service can do.
_CLIENTS = (4, 8, 16, 32)
_MEASURE_S = 6.0
# What begins is not counted: queues fill, clients connect.
_WARM_UP_S = 2.0
_OVERLOAD_S = 15.0
# A caller that waits for an answer while others are refused does not wait long.
_TIMEOUT_S = 2.0
# Streams that one connection may have are fewer than the requests in flight.
_CHANNELS = 8
_REFUSED = "RESOURCE_EXHAUSTED"


@dataclass(frozen=True, slots=True)
class Overload:
    """What was found.

    Attributes:
        verdict: On the requests at twice the capacity.
        capacity: Highest goodput with a number of clients, in answers a second.
        goodput_at_2x: Goodput under twice that rate, as a share of it.
    """

    verdict: Verdict
    capacity: float
    goodput_at_2x: float


def overload(cluster: FaultCluster, oracle: Oracle) -> Overload:
    """Finds the capacity with a few clients, then asks for twice as much whatever is answered."""
    cluster.settle()
    capacity = max(_goodput_of_clients(cluster, clients, oracle.is_right) for clients in _CLIENTS)
    timeline = Timeline()
    load = Load(
        cluster.coordinator.target, cluster.indexes.answers, 2 * capacity, timeout_s=_TIMEOUT_S, channels=_CHANNELS
    )
    with Traffic(load) as traffic:
        began = time.monotonic()
        time.sleep(_WARM_UP_S + _OVERLOAD_S)
        ended = time.monotonic()
    timeline.excuses.append(Excuse(began, ended, frozenset({_REFUSED})))
    reached = goodput(traffic.outcomes, began + _WARM_UP_S, ended, oracle.is_right) / capacity
    # What the service owes once the load is gone: to answer at once.
    with Traffic(Load(cluster.coordinator.target, cluster.indexes.answers, rate=10.0)) as after:
        timeline.strike()
        time.sleep(_WARM_UP_S)
    checks = (
        [] if reached >= LEAST_GOODPUT else [f"goodput is {reached:.0%} of the capacity, expected {LEAST_GOODPUT:.0%}"]
    )
    verdict = judge(KIND, [*traffic.outcomes, *after.outcomes], timeline, oracle.is_right, checks)
    return Overload(verdict, capacity, reached)


def goodput(outcomes: Sequence[Outcome], start_s: float, end_s: float, is_right: Callable[[Outcome], bool]) -> float:
    """Returns the complete and right answers a second that came between two moments."""
    good = [one for one in outcomes if start_s <= one.finished_s < end_s and one.is_complete and is_right(one)]
    return len(good) / (end_s - start_s)


def _goodput_of_clients(cluster: FaultCluster, clients: int, is_right: Callable[[Outcome], bool]) -> float:
    load = Load(
        cluster.coordinator.target, cluster.indexes.answers, clients=clients, timeout_s=_TIMEOUT_S, channels=_CHANNELS
    )
    with Traffic(load) as traffic:
        time.sleep(_WARM_UP_S)
        began = time.monotonic()
        time.sleep(_MEASURE_S)
        ended = time.monotonic()
    return goodput(traffic.outcomes, began, ended, is_right)
