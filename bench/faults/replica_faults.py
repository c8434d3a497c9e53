"""What befalls shard servers: killed, frozen, all of one shard lost, restarted in turn."""

import time
from collections.abc import Sequence

from bench.faults.cluster import CORPUS, FaultCluster
from bench.faults.scenario import Scenario
from bench.faults.shard_replica import ShardReplica
from bench.faults.timeline import Timeline

_DOWN_S = 3.0
# Calls pile up meanwhile: most answers take a few milliseconds, so hardly any would be under way otherwise.
_HELD_S = 0.15
# A frozen server has to be noticed by its silence.
_FROZEN_S = 6.0
# A coordinator looks for a lost server every two seconds at the longest (cluster/shard_client.py).
_RETURN_GRACE_S = 3.0
_AT_ONCE_S = 2.0


def kill_one(cluster: FaultCluster, timeline: Timeline) -> Sequence[str]:
    """Kills a replica by SIGKILL, and starts it again; then another one in the middle of its calls."""
    for replica, held_s in ((cluster.replicas[0][0], 0.0), (cluster.replicas[2][0], _HELD_S)):
        timeline.strike()
        if held_s:
            replica.freeze()
            time.sleep(held_s)
        replica.kill()
        time.sleep(_DOWN_S)
        replica.restart()
        cluster.settle()
    return ()


def freeze_one(cluster: FaultCluster, timeline: Timeline) -> Sequence[str]:
    """Freezes a replica by SIGSTOP, and lets it go on."""
    replica = cluster.replicas[1][0]
    timeline.strike()
    replica.freeze()
    time.sleep(_FROZEN_S)
    timeline.strike()
    replica.thaw()
    return ()


def lose_a_shard(cluster: FaultCluster, timeline: Timeline) -> Sequence[str]:
    """Kills every replica of a shard, and brings back one, then the other."""
    replicas = cluster.replicas[1]
    with timeline.outage({f"{CORPUS}:1"}, _RETURN_GRACE_S):
        for replica in replicas:
            replica.kill()
        time.sleep(_DOWN_S)
        status = cluster.status_of_trace(require_complete=True)
        replicas[1].restart()
    time.sleep(_RETURN_GRACE_S)
    replicas[0].restart()
    if status == "UNAVAILABLE":
        return ()
    return (f"a request that requires every shard has the status {status}, expected UNAVAILABLE",)


def lose_every_shard(cluster: FaultCluster, timeline: Timeline) -> Sequence[str]:
    """Kills every shard server, and starts them again: meanwhile there is nothing to answer from."""
    killed = [replica for replicas in cluster.replicas for replica in replicas]
    shards = {f"{CORPUS}:{shard}" for shard in range(len(cluster.replicas))}
    with timeline.outage(shards, _RETURN_GRACE_S, {"UNAVAILABLE"}):
        for replica in killed:
            replica.kill()
        time.sleep(_DOWN_S)
        began = time.monotonic()
        status = cluster.status_of_trace(require_complete=False)
        took = time.monotonic() - began
        cluster.start(cluster.replicas)
    wrong = [] if status == "UNAVAILABLE" else [f"without any shard the status is {status}, expected UNAVAILABLE"]
    return wrong if took < _AT_ONCE_S else [*wrong, f"without any shard a request takes {took:.1f} s to be told so"]


def restart_in_turn(cluster: FaultCluster, timeline: Timeline) -> Sequence[str]:
    """Stops every shard server gently and starts it again, each once the one before is back."""
    for replicas in cluster.replicas:
        for replica in replicas:
            _restart(cluster, timeline, replica)
    return ()


def restart_one_of_each(cluster: FaultCluster, timeline: Timeline) -> Sequence[str]:
    """Does the same with one server of every shard."""
    for replicas in cluster.replicas:
        _restart(cluster, timeline, replicas[0])
    return ()


def _restart(cluster: FaultCluster, timeline: Timeline, replica: ShardReplica) -> None:
    timeline.strike()
    replica.stop()
    replica.restart()
    cluster.settle()


SCENARIOS = (
    Scenario("replica killed (SIGKILL)", kill_one),
    Scenario("replica frozen (SIGSTOP)", freeze_one),
    Scenario("all replicas of a shard killed, one brought back", lose_a_shard),
    Scenario("every shard server killed, all brought back", lose_every_shard),
    Scenario("every shard server restarted in turn", restart_in_turn),
)
