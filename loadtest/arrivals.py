"""When requests are due: fixed beforehand, whatever the server does. That is what makes a load open."""

from typing import Literal

import numpy as np
import numpy.typing as npt

Arrivals = Literal["constant", "poisson"]


def due_times(
    arrivals: Arrivals, rate: float, rate_end: float, seconds: float, random: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Returns when the requests of a load are due, ascending, all in [0, seconds).

    Args:
        arrivals: ``constant`` for one request every 1/rate seconds; ``poisson`` for requests that know nothing of one
            another, as of many callers, the same number a second on average.
        rate: Requests a second at the beginning, > 0.
        rate_end: The same at the end; between the two it changes evenly.
        seconds: How long, > 0.
        random: Used by ``poisson`` only.
    """
    expected = (rate + rate_end) / 2 * seconds
    if arrivals == "constant":
        numbers = np.arange(int(np.ceil(expected)), dtype=np.float64)
    else:
        # Six deviations above the mean: more come once in a billion loads, and then the last are missing.
        most = int(expected + 6 * np.sqrt(expected) + 20)
        numbers = np.cumsum(random.exponential(1.0, most))
    due = _when(numbers, rate, (rate_end - rate) / seconds, expected)
    return due[due < seconds]


def _when(numbers: npt.NDArray[np.float64], rate: float, slope: float, expected: float) -> npt.NDArray[np.float64]:
    """Returns the times t by which ``rate * t + slope * t * t / 2`` requests are due."""
    inside = numbers[numbers < expected]
    # The form of the root that is exact for a slope of 0, too.
    return 2.0 * inside / (rate + np.sqrt(np.maximum(rate * rate + 2.0 * slope * inside, 0.0)))
