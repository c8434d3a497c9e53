"""What befalls the cluster file: it is broken, it names servers that are not there yet, or that hold another index."""

import time
from collections.abc import Sequence

from bench.faults.cluster import REPLICAS, FaultCluster
from bench.faults.scenario import Scenario
from bench.faults.timeline import Timeline

# Coordinators look at the file every two seconds.
_SEEN_S = 5.0


def broken(cluster: FaultCluster, timeline: Timeline) -> Sequence[str]:
    """Writes what is no cluster file, then one whose index is not there; the generation that answers goes on."""
    timeline.strike()
    cluster.write_cluster_file("corpora: [{name: no")
    time.sleep(_SEEN_S)
    cluster.serve(cluster.indexes.copies[0].with_name("nowhere"), cluster.addresses())
    time.sleep(_SEEN_S)
    cluster.serve(cluster.indexes.copies[0], cluster.addresses())
    cluster.settle()
    return ()


def too_early(cluster: FaultCluster, timeline: Timeline) -> Sequence[str]:
    """Names the next generation before its servers run: the old one answers until they do."""
    index = cluster.indexes.next_generation
    timeline.strike()
    new = cluster.new_replicas([index] * REPLICAS)
    cluster.serve(index, [[replica.listen for replica in replicas] for replicas in new])
    time.sleep(_SEEN_S)
    cluster.start(new)
    cluster.settle()
    timeline.strike()
    cluster.serve(cluster.indexes.copies[0], cluster.addresses())
    cluster.settle()
    cluster.stop_replicas(new)
    return ()


def another_index(cluster: FaultCluster, timeline: Timeline) -> Sequence[str]:
    """Names servers of another index as replicas, beside the right ones: they are never asked."""
    timeline.strike()
    strangers = cluster.new_replicas([cluster.indexes.next_generation])
    cluster.start(strangers)
    rows = zip(cluster.addresses(), strangers, strict=True)
    cluster.serve(cluster.indexes.copies[0], [[strange.listen, *row] for row, [strange] in rows])
    time.sleep(_SEEN_S)
    described = cluster.describe()
    cluster.serve(cluster.indexes.copies[0], cluster.addresses())
    cluster.settle()
    cluster.stop_replicas(strangers)
    return [
        f"{shard.shard} has {shard.usable_replicas} usable replicas of {shard.replicas}, expected {REPLICAS} of 3"
        for shard in described.shards
        if (shard.usable_replicas, shard.replicas) != (REPLICAS, REPLICAS + 1)
    ]


SCENARIOS = (
    Scenario("cluster file broken, and mended", broken),
    Scenario("next generation named before its servers run", too_early),
    Scenario("servers of another index named as replicas", another_index),
)
