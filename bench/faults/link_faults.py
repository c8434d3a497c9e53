"""What befalls the links between coordinator and shard servers, one at a time: the other replica is in reach."""

import time
from collections.abc import Sequence

from bench.errors import BenchError
from bench.faults.cluster import CORPUS, FaultCluster
from bench.faults.proxy import Blackhole, Cut, Delayed, Fault, FaultProxy, Sound, Throttled, Truncated
from bench.faults.scenario import Act, Scenario
from bench.faults.timeline import Timeline

_LASTS_S = 5.0
# Longer than a hedge waits, and than most answers take.
_DELAY_S = 2.0
# An answer of a shard has some tens of kilobytes.
_TRUNCATED_BYTES = 6_000
_THROTTLED_BYTES_PER_SECOND = 20_000
_RETURN_GRACE_S = 3.0


def one_link(fault: Fault) -> Act:
    """Returns an act that lets the link of one replica suffer a fault for a while."""

    def act(cluster: FaultCluster, timeline: Timeline) -> Sequence[str]:
        proxy = _proxy(cluster, 0, 1)
        timeline.strike()
        cluster.links.set(proxy, fault)
        time.sleep(_LASTS_S)
        timeline.strike()
        cluster.links.set(proxy, Sound())
        return ()

    return act


def every_link_of_a_shard(fault: Fault) -> Act:
    """Returns an act that lets the links of all replicas of a shard suffer a fault: it cannot be searched."""

    def act(cluster: FaultCluster, timeline: Timeline) -> Sequence[str]:
        proxies = [_proxy(cluster, 1, replica) for replica in range(len(cluster.replicas[1]))]
        with timeline.outage({f"{CORPUS}:1"}, _RETURN_GRACE_S):
            for proxy in proxies:
                cluster.links.set(proxy, fault)
            time.sleep(_LASTS_S)
            for proxy in proxies:
                cluster.links.set(proxy, Sound())
        return ()

    return act


def cut_namespace(cluster: FaultCluster, timeline: Timeline) -> Sequence[str]:
    """Cuts the link to the namespace of one replica: nothing is refused or reset, packets are lost."""
    assert cluster.namespace is not None
    timeline.strike()
    cluster.namespace.cut()
    time.sleep(_LASTS_S)
    timeline.strike()
    cluster.namespace.mend()
    return ()


def _proxy(cluster: FaultCluster, shard: int, replica: int) -> FaultProxy:
    proxy = cluster.proxies[shard][replica]
    if proxy is None:
        raise BenchError(f"replica {replica} of shard {shard} has no proxy")
    return proxy


SCENARIOS = (
    Scenario("link cut", one_link(Cut())),
    Scenario("link blackholed", one_link(Blackhole())),
    Scenario(f"link delayed by {_DELAY_S:g} s", one_link(Delayed(_DELAY_S))),
    Scenario("link truncated inside messages", one_link(Truncated(_TRUNCATED_BYTES))),
    Scenario(
        f"link throttled to {_THROTTLED_BYTES_PER_SECOND // 1000} kB/s",
        one_link(Throttled(_THROTTLED_BYTES_PER_SECOND)),
    ),
    Scenario("all links of a shard cut", every_link_of_a_shard(Cut())),
    Scenario("all links of a shard blackholed", every_link_of_a_shard(Blackhole())),
)
NAMESPACE_SCENARIOS = (Scenario("network namespace cut off", cut_namespace),)
