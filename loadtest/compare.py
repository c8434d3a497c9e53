"""Two runs side by side: what became better, what worse, and whether they may be compared at all."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields

from loadtest.results import Configuration, Run, Step

TOLERANCE = 0.2
"""Share by which a number may be worse before it is a regression: equal runs on a shared machine differ by as much."""

# Below these, differences are noise: latencies of some milliseconds, one request in a thousand.
_LEAST_MS = 2.0
_LEAST_SHARE = 0.001
_HIGHEST_RATE = "highest rate, requests/s"
# Latencies depend on the rate.
_SAME_RATE = 0.1
# What may differ between runs that are compared: the address is another each time.
_MAY_DIFFER = frozenset({"target"})


@dataclass(frozen=True, slots=True)
class Row:
    """One number of both runs.

    Attributes:
        name: What it is, with its unit.
        earlier: In the earlier run; None if it has none.
        now: In the later one.
        ratio: The later one over the earlier; None if that cannot be said.
        is_regression: Whether it is worse by more than the tolerance.
        decimals: How many it is worth writing.
    """

    name: str
    earlier: float | None
    now: float | None
    ratio: float | None
    is_regression: bool
    decimals: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """An earlier run and a later one.

    Attributes:
        earlier_at: When the earlier one began.
        rows: The numbers.
        notes: Why the runs differ in more than what they measured.
        tolerance: Share by which a number may be worse.
    """

    earlier_at: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    tolerance: float

    @property
    def regressions(self) -> tuple[Row, ...]:
        """What became worse by more than the tolerance."""
        return tuple(row for row in self.rows if row.is_regression)


def compare(run: Run, earlier: Run, tolerance: float = TOLERANCE) -> Comparison:
    """Returns a run beside an earlier one: its last step, and the step of the other whose rate is nearest to that.

    Latencies and shares of different rates are no measure of one another: beyond a tenth, they are left out and a note
    says so.
    """
    notes = _differences(run, earlier)
    rows: list[Row] = []
    if run.searched and earlier.searched:
        rows.append(_row(_HIGHEST_RATE, earlier.highest_rate, run.highest_rate, tolerance, _higher(0.0), 1))
    elif run.searched or earlier.searched:
        which = "earlier run" if run.searched else "later run"
        notes.append(f"the highest rate is not compared: the {which} did not look for it")
    if run.steps and earlier.steps:
        now = run.steps[-1]
        before = min(reversed(earlier.steps), key=lambda step: abs(step.rate - now.rate))
        if abs(before.rate - now.rate) <= _SAME_RATE * now.rate:
            rows += _rows_of_steps(before, now, tolerance)
        else:
            notes.append(
                f"latencies are not compared: the nearest rate of the earlier run is {before.rate:.4g} requests/s, "
                f"and this run ended with {now.rate:.4g}"
            )
    known = [row for row in rows if row.earlier is not None or row.now is not None]
    return Comparison(earlier.started_at, tuple(known), tuple(notes), tolerance)


_Worse = Callable[[float, float, float], bool]


def _rows_of_steps(before: Step, now: Step, tolerance: float) -> list[Row]:
    rows = []
    for name in ("p50_ms", "p95_ms", "p99_ms"):
        was, is_now = (getattr(step.total.latency, name) if step.total.latency else None for step in (before, now))
        label = f"{name.removesuffix('_ms')} at {now.rate:.4g} requests/s, ms"
        rows.append(_row(label, was, is_now, tolerance, _lower(_LEAST_MS), 1))
    shares: tuple[tuple[str, Callable[[Step], float], _Worse], ...] = (
        ("errors, % of requests", lambda step: 100 * step.total.error_rate, _lower(100 * _LEAST_SHARE)),
        ("complete, % of answers", lambda step: 100 * step.total.complete_share, _by_points(100 * _LEAST_SHARE)),
        ("good, % of requests", lambda step: 100 * step.total.goodput_share, _by_points(1.0)),
    )
    rows += [_row(label, value(before), value(now), tolerance, worse, 2) for label, value, worse in shares]
    return rows


def _row(name: str, earlier: float | None, now: float | None, tolerance: float, worse: _Worse, decimals: int) -> Row:
    # What was there and is no more is worse by any measure; what is there for the first time is not.
    ratio, is_regression = None, earlier is not None and now is None
    if earlier is not None and now is not None:
        ratio = now / earlier if earlier else None
        is_regression = worse(earlier, now, tolerance)
    return Row(name, earlier, now, ratio, is_regression, decimals)


def _lower(least: float) -> _Worse:
    """Returns the test of a number that is better when it is lower; differences below ``least`` are noise."""
    return lambda earlier, now, tolerance: now - earlier > least and now > earlier * (1 + tolerance)


def _higher(least: float) -> _Worse:
    return lambda earlier, now, tolerance: earlier - now > least and now < earlier * (1 - tolerance)


def _by_points(least: float) -> _Worse:
    """Returns the test of a share near 1, which is better when it is higher: percentage points count."""
    return lambda earlier, now, _: earlier - now > least and not math.isclose(earlier, now)


def _differences(run: Run, earlier: Run) -> list[str]:
    notes = []
    for field in fields(Configuration):
        before, now = (getattr(each.configuration, field.name) for each in (earlier, run))
        if before != now and field.name not in _MAY_DIFFER:
            notes.append(f"{field.name} differs: {before} earlier, {now} now")
    if (earlier.machine.processor, earlier.machine.cores) != (run.machine.processor, run.machine.cores):
        notes.append(
            f"another machine: {earlier.machine.processor} with {earlier.machine.cores} cores earlier, "
            f"{run.machine.processor} with {run.machine.cores} now"
        )
    notes += [
        f"in the {which} run the client was late in its last step: its latencies are partly the client's"
        for which, each in (("earlier", earlier), ("later", run))
        if each.steps and not each.steps[-1].client.kept_schedule
    ]
    return notes
