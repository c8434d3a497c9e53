"""Which request is due when: drawn from a seed before anything is sent, so that a load can be sent again."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from loadtest.arrivals import Arrivals, due_times
from loadtest.errors import LoadTestError
from loadtest.results import StepKind
from loadtest.workloads import Mix, Texts, Workload

MOST_REQUESTS = 5_000_000
"""Requests of one step: their times and outcomes take about 50 bytes each."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast requests are due, and how long.

    Attributes:
        kind: What the step is for.
        rate: Requests a second at the beginning.
        rate_end: The same at the end.
        seconds: How long, measured.
        warm_up_s: How long at ``rate`` before that, not measured.
        arrivals: How they are spread.
    """

    kind: StepKind
    rate: float
    rate_end: float
    seconds: float
    warm_up_s: float
    arrivals: Arrivals


@dataclass(frozen=True, slots=True)
class Requests:
    """The requests of a step, by when they are due. The arrays are equally long.

    Attributes:
        due_s: When, since the step began.
        workload: Number of the `Workload`.
        text: Which of its texts.
        serial: What makes a cold request unlike all others; 0 for a hot one.
    """

    due_s: npt.NDArray[np.float64]
    workload: npt.NDArray[np.uint8]
    text: npt.NDArray[np.uint32]
    serial: npt.NDArray[np.uint32]

    def part(self, number: int, of: int) -> "Requests":
        """Returns the share of one of ``of`` processes."""
        own = slice(number, None, of)
        return Requests(self.due_s[own], self.workload[own], self.text[own], self.serial[own])

    def __len__(self) -> int:
        return len(self.due_s)


def draw_requests(pace: Pace, mix: Mix, texts: Texts, random: np.random.Generator, first_serial: int) -> Requests:
    """Returns the requests of a step, its warm-up first.

    Args:
        pace: When they are due.
        mix: Of what kinds they are.
        texts: What they are made of.
        random: Equal states give equal requests.
        first_serial: Number of the first request in its run, from 1.

    Raises:
        LoadTestError: there would be too many.
    """
    expected = pace.rate * pace.warm_up_s + (pace.rate + pace.rate_end) / 2 * pace.seconds
    if expected > MOST_REQUESTS:
        raise LoadTestError(f"{expected:,.0f} requests in one step, at most {MOST_REQUESTS:,}; take fewer seconds")
    warm_up = due_times(pace.arrivals, pace.rate, pace.rate, pace.warm_up_s, random) if pace.warm_up_s else np.empty(0)
    measured = pace.warm_up_s + due_times(pace.arrivals, pace.rate, pace.rate_end, pace.seconds, random)
    due_s = np.concatenate((warm_up, measured))
    kinds = list(Workload)
    chances = np.array([mix.shares.get(kind, 0.0) for kind in kinds])
    workload = random.choice(len(kinds), len(due_s), p=chances / chances.sum()).astype(np.uint8)
    is_hot = random.random(len(due_s)) < mix.hot_share
    text = np.zeros(len(due_s), dtype=np.uint32)
    for number, kind in enumerate(kinds):
        own = workload == number
        total = texts.number(kind)
        hot = min(mix.hot_texts or total, total)
        text[own] = np.where(
            is_hot[own], random.integers(0, max(hot, 1), own.sum()), random.integers(0, max(total, 1), own.sum())
        )
    serial = np.where(is_hot, 0, first_serial + np.arange(len(due_s))).astype(np.uint32)
    return Requests(due_s, workload, text, serial)
