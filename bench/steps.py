"""Where the time of a trace goes: its own timings of its steps, and what is left round them."""

import dataclasses
import statistics
from collections.abc import Sequence

from coordinator.results import Timings


def describe_steps(name: str, timings: Sequence[Timings], wall_ms: Sequence[float]) -> str:
    """Returns one line: the median of each step, and of the time that the caller saw beyond them."""
    steps = [field.name for field in dataclasses.fields(Timings) if field.name != "total_ms"]
    medians = {step.removesuffix("_ms"): statistics.median(getattr(one, step) for one in timings) for step in steps}
    round_them = statistics.median(wall - one.total_ms for one, wall in zip(timings, wall_ms, strict=True))
    parts = ", ".join(f"{step} {milliseconds:.2f}" for step, milliseconds in medians.items())
    return f"{name}, medians in ms: {parts}, round these {round_them:.2f}"
