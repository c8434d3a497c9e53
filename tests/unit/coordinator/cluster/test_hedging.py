"""The delay before a hedge, and the budget of second tries."""

import random

import pytest

from coordinator.cluster.hedging import CallBudget, HedgeDelay, HedgeRules


def test_the_delay_is_the_starting_value_until_twenty_calls_are_known() -> None:
    delay = HedgeDelay(HedgeRules(start_s=0.5, floor_s=0.001))
    for _ in range(19):
        delay.add(0.01)
        assert delay.seconds == 0.5
    delay.add(0.01)
    assert delay.seconds == 0.01


def test_the_delay_is_the_95th_percentile_of_the_last_256_calls() -> None:
    delay = HedgeDelay(HedgeRules(start_s=0.5, floor_s=0.001))
    times = [number / 1000 for number in range(1, 257)]
    random.Random(1).shuffle(times)
    for seconds in [9.0] * 300 + times:
        delay.add(seconds)
    for seconds in sorted(times)[:12]:  # until the percentile is looked up again
        delay.add(seconds)
    assert 0.24 <= delay.seconds <= 0.246


def test_the_delay_never_falls_below_its_floor() -> None:
    delay = HedgeDelay(HedgeRules(start_s=0.5, floor_s=0.01))
    for _ in range(100):
        delay.add(0.0001)
    assert delay.seconds == 0.01
    assert HedgeDelay(HedgeRules(start_s=0.001, floor_s=0.01)).seconds == 0.01


@pytest.mark.parametrize(("share", "burst"), [(0.05, 1), (0.05, 20), (0.2, 100), (1.0, 3), (0.001, 2)])
def test_a_budget_allows_its_share_and_its_burst_and_no_more(share: float, burst: int) -> None:
    budget, allowed = CallBudget(share, burst), 0
    for num_calls in range(1, 2001):
        budget.earn()
        allowed += budget.take() + budget.take()
        assert allowed <= share * num_calls + burst + 1e-6
    assert allowed >= int(share * 2000) - 1


def test_a_budget_of_nothing_allows_nothing() -> None:
    budget = CallBudget(0, 20)
    for _ in range(100):
        budget.earn()
        assert not budget.take()


def test_a_quiet_time_saves_up_no_more_than_the_burst() -> None:
    budget = CallBudget(0.05, 3)
    for _ in range(10_000):
        budget.earn()
    assert [budget.take() for _ in range(5)] == [True, True, True, False, False]
