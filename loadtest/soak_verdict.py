"""From the outcomes of a soak, its faults and its processes to a verdict."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.faults.outcomes import HUNG, OK, Outcome
from bench.faults.timeline import is_within
from bench.faults.verdict import SLOW_S
from loadtest.leaks import Bounds, Growth, growth_of
from loadtest.measuring import latency_of
from loadtest.replies import OK as REPLY_OK
from loadtest.results import BAD_ANSWER, IN_FLIGHT_LIMIT, NO_ANSWER, ProcessSeries, Step, Tally, Window
from loadtest.soak_answers import Kept
from loadtest.soak_faults import Struck
from loadtest.soak_processes import COORDINATOR, REPLICA, SHARD_SERVER
from loadtest.soak_result import FaultFound
from loadtest.targets import Targets

assert REPLY_OK == OK, "outcomes and replies call it alike"

_MOST_EXAMPLES = 10


@dataclass(frozen=True, slots=True)
class Answers:
    """What became of the requests.

    Attributes:
        quiet: Tally of those that were due outside the fault windows.
        faults: By fault, those that were due in its window.
        compared: Answers that were compared.
        cached: Those from a cache.
        wrong: Wrong answers; ones that cannot be read are.
        unnoticed: Others, not among ``wrong``: of a damaged file, from before the damage could be noticed.
        hung: Requests without an outcome.
        examples: Some of what was wrong or hung.
    """

    quiet: Tally
    faults: tuple[FaultFound, ...]
    compared: int
    cached: int
    wrong: int
    unnoticed: int
    hung: int
    examples: tuple[str, ...]


def judge_answers(
    kept: Sequence[Kept],
    step: Step,
    struck: Sequence[Struck],
    *,
    began: float,
    recovery_s: float,
    good_within_ms: float,
    is_right: Callable[[Outcome], bool],
) -> Answers:
    """Returns what became of the requests of a step.

    Args:
        kept: Its requests that were sent, in any order; those of its warm-up count as well.
        step: The step.
        struck: The faults.
        began: Second 0 of the run, by `time.monotonic`.
        recovery_s: What a fault's window has after the fault is mended.
        good_within_ms: An answer that comes later is not good.
        is_right: Says whether an answer with status OK is what it should be.
    """
    windows = [(one.began_s, one.mended_s + recovery_s) for one in struck]
    wrong = {number for number, one in enumerate(kept) if _is_wrong(one.outcome, is_right)}
    damaged = [interval for one in struck for interval in one.unnoticed]
    unnoticed = {
        number for number in wrong if kept[number].outcome.status == OK and is_within(kept[number].outcome, damaged)
    }
    wrong -= unnoticed
    hung = {number for number, one in enumerate(kept) if one.outcome.status == HUNG}
    in_window: list[list[int]] = [[] for _ in windows]
    quiet: list[int] = []
    for number, one in enumerate(kept):
        # A request that was under way when a fault struck had a part in it.
        touched = [
            index
            for index, (start, end) in enumerate(windows)
            if one.outcome.intended_s < end and one.outcome.finished_s >= start
        ]
        for index in touched:
            in_window[index].append(number)
        if not touched and one.outcome.intended_s >= began + step.began_s:
            quiet.append(number)
    examples = [
        f"request {kept[number].outcome.request} due at {kept[number].outcome.intended_s - began:.2f} s, "
        f"{'wrong' if number in wrong else 'without an outcome'} after {kept[number].outcome.latency_s:.2f} s "
        f"({kept[number].outcome.detail or 'from all shards'}"
        f"{', from a cache' if kept[number].cached else ''})"
        for number in sorted(wrong | hung, key=lambda number: kept[number].outcome.intended_s)[:_MOST_EXAMPLES]
    ]
    return Answers(
        quiet=_tally([kept[number] for number in quiet], _unsent(step, windows, began), good_within_ms),
        faults=tuple(
            _fault(one, window, [kept[number] for number in numbers], wrong.intersection(numbers), began)
            for one, window, numbers in zip(struck, windows, in_window, strict=True)
        ),
        compared=sum(one.outcome.status == OK for one in kept),
        cached=sum(one.cached for one in kept),
        wrong=len(wrong),
        unnoticed=len(unnoticed),
        hung=len(hung),
        examples=tuple(examples),
    )


def windows_of(faults: Sequence[FaultFound]) -> tuple[Window, ...]:
    """Returns the fault windows as a run tells them."""
    return tuple(Window(one.start_s, one.end_s, one.kind) for one in faults)


def judged_step(step: Step, answers: Answers, targets: Targets) -> Step:
    """Returns the step with the verdicts of what was due outside the fault windows."""
    return replace(step, verdicts=targets.judge(replace(step, total=answers.quiet)).verdicts)


def judge_growth(processes: Sequence[ProcessSeries], bounds: Bounds) -> tuple[Growth, ...]:
    """Returns how the processes went that were looked at long enough."""
    found = (growth_of(series, bounds) for series in processes)
    return tuple(one for one in found if one is not None)


def failures_of(step: Step, answers: Answers, growths: Sequence[Growth]) -> tuple[str, ...]:
    """Returns why a soak did not pass."""
    failures = []
    if not answers.compared:
        failures.append("no answer was compared with the oracle's")
    if answers.wrong:
        failures.append(f"{answers.wrong:,} wrong answers of {answers.compared:,}")
    if answers.hung:
        failures.append(f"{answers.hung:,} requests without an outcome")
    failures += answers.examples
    failures += [
        f"outside the fault windows {one.target} is "
        f"{'not known' if one.measured is None else f'{one.measured:.4g}'}, {one.bound} {one.wanted:.4g} is wanted"
        for one in step.verdicts
        if not one.met
    ]
    failures += [f"{fault.kind}: {check}" for fault in answers.faults for check in fault.checks]
    failures += [told for growth in growths for told in growth.over]
    judged = ", ".join(growth.name for growth in growths) or "none"
    failures += [
        f"no {part} was looked at long enough to say whether it leaks; judged were: {judged}"
        for part in (COORDINATOR, REPLICA, SHARD_SERVER)
        if not any(growth.name.startswith(part) for growth in growths)
    ]
    return tuple(failures)


def _is_wrong(outcome: Outcome, is_right: Callable[[Outcome], bool]) -> bool:
    return outcome.status == BAD_ANSWER or (outcome.status == OK and not is_right(outcome))


def _tally(kept: Sequence[Kept], unsent: int, good_within_ms: float) -> Tally:
    answered = [one for one in kept if one.outcome.status == OK]
    complete = [one for one in answered if one.outcome.is_complete]
    errors: dict[str, int] = {IN_FLIGHT_LIMIT: unsent} if unsent else {}
    for one in kept:
        if one.outcome.status != OK:
            code = NO_ANSWER if one.outcome.status == HUNG else one.outcome.status
            errors[code] = errors.get(code, 0) + 1
    return Tally(
        intended=len(kept) + unsent,
        sent=len(kept),
        answered=len(answered),
        errors=errors,
        complete=len(complete),
        good=sum(one.outcome.latency_s * 1000 <= good_within_ms for one in complete),
        cached=sum(one.cached for one in answered),
        coverage=None,
        latency=latency_of(np.array([one.outcome.latency_s * 1000 for one in answered])),
    )


def _unsent(step: Step, windows: Sequence[tuple[float, float]], began: float) -> int:
    """Returns how many requests were kept back by the limit in seconds that no fault window touches."""
    return sum(
        second.tally.intended - second.tally.sent
        for second in step.timeline
        if not any(began + second.at_s < end and began + second.at_s + 1 > start for start, end in windows)
    )


def _fault(one: Struck, window: tuple[float, float], kept: Sequence[Kept], wrong: set[int], began: float) -> FaultFound:
    outcomes = [each.outcome for each in kept]
    answered = [each for each in outcomes if each.status == OK]
    bad = [each for each in outcomes if not each.is_complete or each.latency_s > SLOW_S]
    return FaultFound(
        kind=one.kind,
        start_s=one.began_s - began,
        mended_s=one.mended_s - began,
        end_s=window[1] - began,
        requests=len(outcomes),
        wrong=len(wrong),
        hung=sum(each.status == HUNG for each in outcomes),
        errors=sum(each.status not in (OK, HUNG) for each in outcomes),
        incomplete=sum(not each.is_complete for each in answered),
        slowest_ms=max((each.latency_s * 1000 for each in answered), default=0.0),
        recovery_s=max((0.0, *(each.finished_s - one.mended_s for each in bad))),
        checks=one.checks,
    )
