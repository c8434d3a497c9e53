"""What reads bytes from outside, under wrong inputs: a short run of ``python -m bench fuzz``, long under `slow`."""

from pathlib import Path

import pytest

from bench.fuzz.suite import MOST_RSS_BYTES, fuzz
from bench.fuzz.targets import TARGETS
from bench.fuzz.tiny import build_tiny_index
from tests.conftest import PROFILE

_SECONDS = {"fast": 0.3, "slow": 60.0}[PROFILE]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_index(tmp_path_factory.mktemp("fuzz"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", TARGETS)
def test_a_reader_survives_wrong_inputs(name: str, index: Path) -> None:
    outcome = fuzz(name, index, cases=10_000_000, seconds=_SECONDS)
    assert not outcome.crashes, outcome
    assert not outcome.findings, outcome
    assert outcome.cases > 20
    assert outcome.rss_bytes < MOST_RSS_BYTES
