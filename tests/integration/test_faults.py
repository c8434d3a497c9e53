"""The short forms of the fault suite and of the soak: a cluster on Ray under steady traffic, and what must not harm it.

``python -m bench faults`` and ``python -m loadtest soak`` are the whole of it.
"""

from collections.abc import Iterator, Mapping

import pytest

from bench.faults.cluster import CORPUS, REPLICAS, FaultCluster
from bench.faults.history import History
from bench.faults.indexes import build_indexes
from bench.faults.oracle import Oracle
from bench.faults.replica_faults import freeze_one
from bench.faults.scenario import Scenario
from bench.faults.suite import NUM_ANSWERS, SETTINGS, SHORT, run_all
from bench.faults.verdict import Verdict
from loadtest.leaks import Bounds
from loadtest.oracle import Takedowns, TimelyOracle
from loadtest.soak_page import render_soak
from loadtest.soak_run import Plan, soak_cluster
from loadtest.targets import Targets

# Ray takes 15 s to start on two idle cores, the faults about 80 s; on busy ones it is several times that.
pytestmark = pytest.mark.timeout(600)

# On a quiet machine all recover within a second; here others may be at work, and slow answers count as not recovered.
# What this guards against is no recovery at all, or requests that hang until their time is up.
MOST_RECOVERY_S = 30.0
TIMEOUT_S = 30.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultCluster]:
    """One cluster for all faults, which strike one after the other."""
    indexes = build_indexes(tmp_path_factory.mktemp("faults"), num_copies=REPLICAS, num_answers=NUM_ANSWERS)
    with FaultCluster(indexes, None, SETTINGS) as started:
        yield started


@pytest.fixture(scope="module")
def verdicts(cluster: FaultCluster) -> Mapping[str, Verdict]:
    """All verdicts."""
    indexes = cluster.indexes
    with Oracle([indexes.copies[0], indexes.next_generation], CORPUS, indexes.answers) as oracle:
        return {verdict.kind: verdict for verdict in run_all(SHORT, cluster, oracle, print, TIMEOUT_S)}


@pytest.mark.parametrize("kind", [scenario.kind for scenario in SHORT])
def test_no_answer_is_wrong_no_request_hangs_and_no_error_could_be_avoided(
    kind: str, verdicts: Mapping[str, Verdict]
) -> None:
    verdict = verdicts[kind]
    assert verdict.failures == ()
    assert verdict.requests > 50
    assert verdict.recovery_s < MOST_RECOVERY_S


def test_a_short_soak_gives_no_wrong_answer_and_meets_its_targets_outside_of_the_faults(cluster: FaultCluster) -> None:
    # No latencies: of a machine that does other things as well they say nothing.
    targets = Targets(error_rate=0.01, coverage=0.99, good_within_ms=30_000)
    bounds = Bounds(rss_share=0.5, rss_bytes=64 << 20, num_fds=64, num_threads=32, warm_up_s=2.0, least_s=5.0)
    plan = Plan(
        seconds=24.0,
        rate_share=1.0,
        rate=8.0,
        seed=1,
        targets=targets,
        quiet_s=2.0,
        recovery_s=5.0,
        warm_up_s=1.0,
        timeout_s=TIMEOUT_S,
        bounds=bounds,
    )
    takedowns: History[Takedowns] = History(())
    with TimelyOracle(cluster.indexes, cluster.served, takedowns) as oracle:
        soak = soak_cluster(
            cluster,
            oracle,
            takedowns,
            plan,
            print,
            faults=lambda found: [Scenario("replica frozen (SIGSTOP)", freeze_one), found.scenarios[0]],
        )
    assert soak.failures == ()
    assert soak.compared > 100 and soak.quiet_requests > 0
    assert [fault.requests > 0 for fault in soak.faults] == [True, True]
    names = {growth.name.partition(" at ")[0] for growth in soak.growths}
    assert {"shard server 0", "shard server 1", "shard server 2", "coordinator replica"} <= names
    assert "document taken down, and let back in" in render_soak(soak)
