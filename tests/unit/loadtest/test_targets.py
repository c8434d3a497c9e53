"""What is judged, and how a file of targets may be wrong."""

from pathlib import Path

import pytest

from loadtest.errors import LoadTestError
from loadtest.results import Latency, Step, Tally
from loadtest.targets import Targets, read_targets
from tests.unit.loadtest.made_steps import made_step

HERE = Path(__file__).resolve().parents[3] / "loadtest"
LATENCY = Latency(mean_ms=20, p50_ms=10, p90_ms=40, p95_ms=50, p99_ms=100, max_ms=200)


def step(**changes: object) -> Step:
    fields = {
        "intended": 1000,
        "sent": 1000,
        "answered": 990,
        "errors": {"UNAVAILABLE": 10},
        "complete": 980,
        "good": 970,
        "cached": 0,
        "coverage": 0.999,
        "latency": LATENCY,
    }
    return made_step(Tally(**{**fields, **changes}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "met", "missed"),
    [
        ("p50_ms", 10, 9.9),
        ("p95_ms", 50, 49),
        ("p99_ms", 100, 99),
        ("error_rate", 0.01, 0.009),
        ("coverage", 980 / 990, 0.995),
        ("goodput", 0.97, 0.98),
    ],
)
def test_each_target_is_met_at_its_bound_and_missed_beyond(name: str, met: float, missed: float) -> None:
    assert Targets(**{name: met}).judge(step()).passed
    judged = Targets(**{name: missed}).judge(step())
    assert not judged.passed
    [verdict] = judged.verdicts
    assert (verdict.target, verdict.wanted, verdict.met) == (name, missed, False)


def test_what_could_not_be_measured_is_missed() -> None:
    silent = step(answered=0, complete=0, good=0, errors={"NO_ANSWER": 1000}, latency=None, coverage=None)
    judged = Targets(p99_ms=1e6, coverage=0.0, error_rate=1.0).judge(silent)
    assert {verdict.target: verdict.met for verdict in judged.verdicts} == {
        "p99_ms": False,
        "coverage": False,
        "error_rate": True,
    }
    nothing = step(intended=0, sent=0, answered=0, errors={}, complete=0, good=0, latency=None, coverage=None)
    assert not any(verdict.met for verdict in Targets(error_rate=1.0, goodput=0.0).judge(nothing).verdicts)


def test_the_highest_quantile_decides_how_much_is_needed() -> None:
    assert Targets(p50_ms=1, p99_ms=2).deciding_quantile == 0.99
    assert Targets(p50_ms=1, p95_ms=2).deciding_quantile == 0.95
    assert Targets(error_rate=0).deciding_quantile == 0.5


def test_the_targets_of_the_repository_can_be_read() -> None:
    targets = read_targets(HERE / "targets.yaml")
    assert all(getattr(targets, name) is not None for name in Targets.model_fields)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("p99_ms: 10\np98_ms: 20\n", "p98_ms: Extra inputs"),
        ("p99_ms: soon\n", "p99_ms: Input should be a valid number"),
        ("p99_ms: -1\n", "p99_ms: Input should be greater than 0"),
        ("p99_ms: .inf\n", "p99_ms: Input should be a finite number"),
        ("error_rate: 5\n", "error_rate: Input should be less than or equal to 1"),
        ("", "the file: Input should be"),
        ("good_within_ms: 5\n", "names no target"),
        ("{}", "names no target"),
        ("p99_ms: [", "not YAML"),
    ],
)
def test_a_wrong_file_is_refused_with_what_is_wrong(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "targets.yaml"
    path.write_text(content)
    with pytest.raises(LoadTestError, match=message) as raised:
        read_targets(path)
    assert str(path) in str(raised.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LoadTestError, match="cannot read the targets"):
        read_targets(tmp_path / "none.yaml")
