"""The search for the highest rate, against servers whose capacity is known."""

import random
from collections.abc import Callable

import pytest

from loadtest.errors import LoadTestError
from loadtest.find_rate import Found, Search, find_rate
from loadtest.results import Step
from loadtest.schedule import Pace
from loadtest.targets import Targets
from tests.unit.loadtest.made_steps import answered, made_step

TARGETS = Targets(p99_ms=100.0, error_rate=0.0)


def queueing(capacity: float, *, slow_share: float = 0.0, seed: int = 1) -> Callable[[Pace], Step]:
    """Returns a server whose latency grows as that of a queue does, and that has a pause in some steps."""
    chooser = random.Random(seed)

    def run(pace: Pace) -> Step:
        number = round(pace.rate * pace.seconds)
        if pace.rate >= capacity:
            return made_step(answered(number // 2, 10_000.0, number - number // 2), pace.kind, pace.rate, pace.seconds)
        p99_ms = 10.0 / (1 - pace.rate / capacity)
        if chooser.random() < slow_share:
            p99_ms += 150.0
        return made_step(answered(number, p99_ms), pace.kind, pace.rate, pace.seconds)

    return run


def found(run: Callable[[Pace], Step], **search: object) -> Found:
    return find_rate(run, TARGETS, Search(**search), clock=lambda: 0.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("capacity", [4.0, 37.0, 300.0, 5000.0])
def test_the_highest_rate_is_found_to_a_twentieth(capacity: float) -> None:
    result = found(queueing(capacity))
    highest = 0.9 * capacity  # where 10 / (1 - rate / capacity) is 100
    assert result.rate is not None
    assert 0.9 * highest <= result.rate <= highest
    assert result.notes == ()
    last = result.steps[-1]
    assert (last.kind, last.rate, last.passed) == ("verify", result.rate, True)


def test_the_last_step_is_the_longest_and_steps_are_long_enough_for_their_quantile() -> None:
    result = found(queueing(300.0), verify_s=30.0)
    *before, last = result.steps
    assert last.seconds >= 30.0
    assert last.rate * last.seconds * 0.01 >= 20
    for step in before:
        assert step.seconds <= 20.0
        assert step.rate * step.seconds * 0.01 > 4.99 or step.seconds == 20.0
    assert {step.kind for step in before} == {"bracket", "bisect"}


def test_a_pause_now_and_then_does_not_halve_the_rate() -> None:
    rates = [found(queueing(300.0, slow_share=0.15, seed=seed)).rate for seed in range(20)]
    near = [rate for rate in rates if rate is not None and 0.8 * 270 <= rate <= 270]
    assert len(near) >= 18
    assert None not in rates


def test_a_server_that_is_overloaded_is_not_put_through_it_again() -> None:
    result = found(queueing(300.0), start_rate=400.0)
    overloads = [step.rate for step in result.steps if step.total.error_rate > 0.1]
    assert overloads
    assert len(overloads) == len(set(overloads))


def test_a_start_that_is_too_high_comes_down() -> None:
    result = found(queueing(30.0), start_rate=1000.0)
    assert result.rate is not None
    assert 0.85 * 27 <= result.rate <= 27


def test_a_server_that_meets_the_targets_at_no_rate_has_none() -> None:
    def run(pace: Pace) -> Step:
        return made_step(answered(round(pace.rate * pace.seconds), 500.0), pace.kind, pace.rate, pace.seconds)

    result = found(run)
    assert result.rate is None
    assert "misses the targets" in result.notes[0]
    assert not any(step.passed for step in result.steps)


def test_a_rate_that_does_not_hold_comes_down_until_it_does() -> None:
    def run(pace: Pace) -> Step:
        return queueing(240.0 if pace.kind == "verify" else 300.0)(pace)

    result = found(run)
    assert result.rate is not None
    assert 0.9 * 216 <= result.rate <= 216
    assert [step.passed for step in result.steps if step.kind == "verify"].count(False) >= 1


def test_the_highest_rate_that_may_be_tried_is_not_passed() -> None:
    result = found(queueing(1e9), highest_rate=100.0)
    assert max(step.rate for step in result.steps) == 100.0
    assert result.rate == 100.0
    assert "no rate that was tried misses the targets" in result.notes[0]


def test_a_search_that_takes_too_long_is_cut_short_and_verified() -> None:
    now = 0.0

    def run(pace: Pace) -> Step:
        nonlocal now
        now += pace.seconds + pace.warm_up_s
        return queueing(5000.0)(pace)

    result = find_rate(run, TARGETS, Search(longest_s=60.0), clock=lambda: now)
    assert result.rate is not None
    assert result.steps[-1].kind == "verify"
    assert any("cut short" in note for note in result.notes)


def test_a_client_that_was_late_is_told_of() -> None:
    def run(pace: Pace) -> Step:
        total = answered(round(pace.rate * pace.seconds), 10.0 if pace.rate < 50 else 500.0)
        return made_step(total, pace.kind, pace.rate, pace.seconds, kept_schedule=pace.rate < 50)

    assert "the client was late" in found(run).notes[-1]


def test_a_search_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(LoadTestError, match="expected rising ones"):
        found(queueing(10.0), start_rate=20.0, highest_rate=10.0)
