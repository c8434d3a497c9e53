"""The short form of the fault suite: a cluster on Ray under steady traffic, and what must not harm it.

``python -m bench faults`` is the whole of it.
"""

from collections.abc import Iterator, Mapping

import pytest

from bench.faults.cluster import CORPUS, REPLICAS, FaultCluster
from bench.faults.indexes import build_indexes
from bench.faults.oracle import Oracle
from bench.faults.suite import NUM_ANSWERS, SETTINGS, SHORT, run_all
from bench.faults.verdict import Verdict

# Ray takes 15 s to start on two idle cores, the faults about 80 s; on busy ones it is several times that.
pytestmark = pytest.mark.timeout(600)

# On a quiet machine all recover within a second; here others may be at work.
MOST_RECOVERY_S = 8.0


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Verdict]]:
    """All verdicts: the faults strike one cluster, one after the other."""
    indexes = build_indexes(tmp_path_factory.mktemp("faults"), num_copies=REPLICAS, num_answers=NUM_ANSWERS)
    with (
        Oracle([indexes.copies[0], indexes.next_generation], CORPUS, indexes.answers) as oracle,
        FaultCluster(indexes, None, SETTINGS) as cluster,
    ):
        yield {verdict.kind: verdict for verdict in run_all(SHORT, cluster, oracle, print)}


@pytest.mark.parametrize("kind", [scenario.kind for scenario in SHORT])
def test_no_answer_is_wrong_no_request_hangs_and_no_error_could_be_avoided(
    kind: str, verdicts: Mapping[str, Verdict]
) -> None:
    verdict = verdicts[kind]
    assert verdict.failures == ()
    assert verdict.requests > 50
    assert verdict.recovery_s < MOST_RECOVERY_S
