"""What befalls the coordinator: one of its replicas is killed, with the Ray worker that it is."""

import time
from collections.abc import Sequence

from bench.faults.cluster import FaultCluster
from bench.faults.scenario import Scenario
from bench.faults.timeline import Timeline

# A dead process cannot answer what it was at: its callers are told so, in these words.
_BROKEN_OFF = frozenset({"UNAVAILABLE", "INTERNAL", "CANCELLED"})
_MOST_S = 30.0


def kill_replica(cluster: FaultCluster, timeline: Timeline) -> Sequence[str]:
    """Kills a replica and waits until Ray has started another."""
    began = timeline.strike()
    timeline.excuse_in_flight(_BROKEN_OFF)
    cluster.coordinator.kill_replica()
    cluster.settle()
    took = time.monotonic() - began
    return () if took < _MOST_S else (f"the replica was replaced after {took:.1f} s, expected {_MOST_S:.0f} s at most",)


SCENARIOS = (Scenario("coordinator replica and its Ray worker killed", kill_replica),)
