"""Between a change and its being followed, both values may hold; before and after, one."""

import itertools

from bench.faults.history import History


def test_the_values_before_and_after_may_both_hold_until_the_change_is_followed() -> None:
    ticks = itertools.count(1)
    history = History("a", clock=lambda: float(next(ticks)))
    history.begin("b")  # at 1
    assert history.latest == "b"
    history.settled()  # at 2
    history.settled()  # at 3
    assert history.possible(-5.0, 0.5) == ["a"]
    assert history.possible(0.5, 1.5) == ["b", "a"]
    assert history.possible(1.9, 7.0) == ["b", "a"]
    assert history.possible(2.1, 7.0) == ["b"]


def test_a_value_that_came_back_is_told_once() -> None:
    ticks = itertools.count(1)
    history = History("a", clock=lambda: float(next(ticks)))
    for value in ("nowhere", "a"):
        history.begin(value)
    history.settled()  # at 3
    assert history.possible(0.0, 2.5) == ["a", "nowhere"]
    assert history.possible(3.5, 4.0) == ["a"]
