"""When requests are due."""

import numpy as np
import pytest

from loadtest.arrivals import Arrivals, due_times


def times(arrivals: Arrivals, rate: float, rate_end: float, seconds: float, seed: int = 1) -> np.ndarray:
    return due_times(arrivals, rate, rate_end, seconds, np.random.default_rng(seed))


def test_constant_arrivals_are_evenly_spaced() -> None:
    due = times("constant", 20, 20, 3)
    assert len(due) == 60
    assert due == pytest.approx(np.arange(60) / 20)


@pytest.mark.parametrize(("rate", "rate_end"), [(10, 90), (90, 10), (5, 5)])
def test_a_ramp_has_the_rate_of_each_moment(rate: float, rate_end: float) -> None:
    seconds = 40.0
    due = times("constant", rate, rate_end, seconds)
    # Requests due by a time t: the area below the line between the rates.
    for t in np.linspace(1, seconds, 20):
        area = rate * t + (rate_end - rate) / seconds * t * t / 2
        assert abs((due < t).sum() - area) <= 1


def test_poisson_arrivals_have_the_mean_and_the_spread_of_independent_callers() -> None:
    due = times("poisson", 200, 200, 100)
    gaps = np.diff(due)
    assert len(due) == pytest.approx(20_000, rel=0.03)  # four deviations
    assert gaps.std() / gaps.mean() == pytest.approx(1.0, abs=0.05)
    # Of exponential gaps, a share of 1/e is longer than the mean.
    assert (gaps > gaps.mean()).mean() == pytest.approx(np.exp(-1), abs=0.02)


@pytest.mark.parametrize("arrivals", ["constant", "poisson"])
def test_times_ascend_within_the_step_and_depend_on_the_seed_alone(arrivals: Arrivals) -> None:
    due = times(arrivals, 3, 300, 10)
    assert (np.diff(due) >= 0).all()
    assert due.min() >= 0
    assert due.max() < 10
    assert np.array_equal(due, times(arrivals, 3, 300, 10))
    assert np.array_equal(due, times(arrivals, 3, 300, 10, seed=2)) == (arrivals == "constant")
