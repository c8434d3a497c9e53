"""When a replica is ejected, for how long, and how it gets back its name."""

import pytest

from coordinator.cluster.outlier import EjectionRules, Outlier

RULES = EjectionRules(failures=3, base_s=1.0, most_s=5.0)


def test_it_takes_failures_in_a_row() -> None:
    outlier = Outlier(RULES)
    for _ in range(10):
        assert outlier.failed(0.0, may_eject=True) is None
        assert outlier.failed(0.0, may_eject=True) is None
        outlier.succeeded()
    assert not outlier.is_ejected(0.0)


def test_the_third_failure_ejects_for_the_base_time() -> None:
    outlier = Outlier(RULES)
    assert [outlier.failed(7.0, may_eject=True) for _ in range(3)] == [None, None, 1.0]
    assert outlier.is_ejected(7.0)
    assert outlier.is_ejected(7.999)
    assert not outlier.is_ejected(8.0)


def test_each_failure_after_a_return_ejects_for_twice_as_long_up_to_the_most() -> None:
    outlier, now, seconds = Outlier(RULES), 0.0, []
    for _ in range(2):
        outlier.failed(now, may_eject=True)
    for _ in range(40):
        ejected = outlier.failed(now, may_eject=True)
        assert ejected is not None
        seconds.append(ejected)
        now += ejected
    assert seconds == [1.0, 2.0, 4.0, *[5.0] * 37]


def test_a_success_after_the_return_makes_it_as_good_as_new() -> None:
    outlier = Outlier(RULES)
    outlier.failed(0.0, may_eject=True, at_once=True)
    outlier.failed(1.0, may_eject=True)
    outlier.succeeded()
    assert not outlier.is_ejected(1.5)
    assert [outlier.failed(2.0, may_eject=True) for _ in range(3)] == [None, None, 1.0]


def test_failures_of_calls_that_were_under_way_do_not_prolong_an_ejection() -> None:
    outlier = Outlier(RULES)
    assert outlier.failed(0.0, may_eject=True, at_once=True) == 1.0
    assert [outlier.failed(0.5, may_eject=True) for _ in range(5)] == [None] * 5
    assert not outlier.is_ejected(1.0)


def test_one_that_must_not_be_ejected_is_ejected_by_the_next_failure_when_it_may() -> None:
    outlier = Outlier(RULES)
    assert [outlier.failed(0.0, may_eject=False) for _ in range(9)] == [None] * 9
    assert outlier.failed(0.0, may_eject=True) == 1.0


@pytest.mark.parametrize(("now", "expected"), [(0.5, False), (1.0, True), (9.0, True)])
def test_it_is_on_probation_from_its_return_to_its_first_success(now: float, expected: bool) -> None:
    outlier = Outlier(RULES)
    assert not outlier.is_on_probation(now)
    outlier.failed(0.0, may_eject=True, at_once=True)
    assert outlier.is_on_probation(now) is expected
    outlier.succeeded()
    assert not outlier.is_on_probation(now)


def test_what_was_learnt_of_a_connection_can_be_forgotten() -> None:
    outlier = Outlier(RULES)
    outlier.failed(0.0, may_eject=True, at_once=True)
    outlier.reset()
    assert not outlier.is_ejected(0.0)
    assert not outlier.is_on_probation(9.0)
    assert outlier.failed(0.0, may_eject=True) is None
