"""What reads bytes from outside, under wrong inputs: a short run of ``python -m bench fuzz``, long under `slow`."""

from pathlib import Path

import pytest

from bench.fuzz.suite import MOST_RSS_BYTES, fuzz
from bench.fuzz.targets import TARGETS
from bench.fuzz.tiny import build_tiny_index
from tests.conftest import PROFILE

# Of all readers of a kind together; of each in the slow profile.
_SECONDS = 60.0


def seconds_of(name: str) -> float:
    """Returns how long a reader is fuzzed."""
    kinds = [share.kind for share in TARGETS.values()]
    return _SECONDS if PROFILE == "slow" else _SECONDS / kinds.count(TARGETS[name].kind)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_index(tmp_path_factory.mktemp("fuzz"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", TARGETS)
def test_a_reader_survives_wrong_inputs(name: str, index: Path) -> None:
    outcome = fuzz(name, index, cases=10_000_000, seconds=seconds_of(name))
    assert not outcome.crashes, outcome
    assert not outcome.findings, outcome
    assert outcome.cases > 20
    assert outcome.rss_bytes < MOST_RSS_BYTES
