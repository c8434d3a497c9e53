"""One fault: steady traffic, the fault, the verdict. A scenario says what is done; this says how it is judged."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bench.faults.cluster import FaultCluster
from bench.faults.oracle import Oracle
from bench.faults.timeline import Timeline
from bench.faults.traffic import Load, Traffic
from bench.faults.verdict import Verdict, judge

RATE = 15.0
"""Requests a second: enough that no half second goes unobserved, far below what two cores can do."""

TIMEOUT_S = 5.0
_LEAD_S = 1.0
_TAIL_S = 2.0

Act: TypeAlias = Callable[[FaultCluster, Timeline], Sequence[str]]
"""Does the harm and undoes it, noting what it does when; returns what it found wrong besides the answers."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A fault to inject.

    Attributes:
        kind: What it is, in a few words.
        act: Does it, while the traffic goes on.
    """

    kind: str
    act: Act


def run_scenario(scenario: Scenario, cluster: FaultCluster, oracle: Oracle, timeout_s: float = TIMEOUT_S) -> Verdict:
    """Returns the verdict on one fault, with the time that each request has; the cluster is as it should be before."""
    cluster.settle()
    timeline = Timeline()
    load = Load(
        cluster.coordinator.target,
        cluster.indexes.answers,
        rate=RATE,
        timeout_s=timeout_s,
        metadata=cluster.metadata,
    )
    with Traffic(load) as traffic:
        time.sleep(_LEAD_S)
        checks = scenario.act(cluster, timeline)
        time.sleep(_TAIL_S)
    return judge(scenario.kind, traffic.outcomes, timeline, oracle.is_right, checks)
