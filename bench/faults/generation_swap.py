"""The index is replaced by its next generation under traffic, and back: no request may notice."""

import time
from collections.abc import Sequence

from bench.faults.cluster import REPLICAS, FaultCluster
from bench.faults.scenario import Scenario
from bench.faults.timeline import Timeline

_BETWEEN_S = 1.0


def swap_and_back(cluster: FaultCluster, timeline: Timeline) -> Sequence[str]:
    """Starts servers of the next generation, points the cluster file at them, stops the old; then the same back."""
    first, second = cluster.indexes.copies, cluster.indexes.next_generation
    old = cluster.replicas
    timeline.strike()
    new = cluster.start_replicas([second] * REPLICAS)
    cluster.serve(second, [[replica.listen for replica in replicas] for replicas in new])
    cluster.settle()
    cluster.stop_replicas(old)
    time.sleep(_BETWEEN_S)

    timeline.strike()
    cluster.start(old)
    cluster.serve(first[0], cluster.addresses())
    cluster.settle()
    cluster.stop_replicas(new)
    return ()


SCENARIOS = (Scenario("index generation swapped, and back", swap_and_back),)
