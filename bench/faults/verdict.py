"""From the outcomes of the traffic and the story of the fault to a verdict."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.faults.outcomes import HUNG, OK, Outcome
from bench.faults.timeline import Timeline, is_within
from bench.report import percentile

SLOW_S = 1.0
"""An answer that takes longer counts as not recovered."""

_MOST_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one fault did to the traffic.

    Attributes:
        kind: What the fault was.
        requests: How many requests there were.
        wrong: Answers other than what a quiet index says of the shards that they claim to have searched.
        hung: Requests without an outcome.
        avoidable: Errors and incomplete answers that a service with a healthy replica could have avoided.
        excused: Those that it could not, and wrong answers of a damaged file before the damage could be noticed.
        recovery_s: Time from a strike to the end of the last answer that was bad, incomplete or slow.
        median_ms: Median latency, from when a request was due.
        p99_ms: 99th percentile of it.
        checks: What the scenario itself found wrong.
        examples: Some of what was bad, for whoever looks for the cause.
    """

    kind: str
    requests: int
    wrong: int
    hung: int
    avoidable: int
    excused: int
    recovery_s: float
    median_ms: float
    p99_ms: float
    checks: tuple[str, ...] = ()
    examples: tuple[str, ...] = field(default=())

    @property
    def failures(self) -> tuple[str, ...]:
        """What must not be."""
        counts = (
            (self.wrong, "wrong answers"),
            (self.hung, "hung requests"),
            (self.avoidable, "errors or incomplete answers that could be avoided"),
        )
        found = [f"{self.kind}: {count} {what}" for count, what in counts if count]
        if found:
            found += [f"{self.kind}: for example {example}" for example in self.examples]
        if not self.requests:
            found.append(f"{self.kind}: no request was made")
        return (*found, *(f"{self.kind}: {check}" for check in self.checks))


def judge(
    kind: str,
    outcomes: Sequence[Outcome],
    timeline: Timeline,
    is_right: Callable[[Outcome], bool],
    checks: Sequence[str] = (),
) -> Verdict:
    """Returns the verdict on one fault.

    Args:
        kind: What the fault was.
        outcomes: Of every request made while it lasted, and until the service had recovered.
        timeline: What was done and when.
        is_right: Says whether an answer with status OK is what it should be.
        checks: What the scenario itself found wrong.
    """
    hung = [one for one in outcomes if one.status == HUNG]
    wrong = [one for one in outcomes if one.status == OK and not is_right(one)]
    unnoticed = [one for one in wrong if is_within(one, timeline.unnoticed)]
    wrong = [one for one in wrong if one not in unnoticed]
    imperfect = [one for one in outcomes if one.status != HUNG and not one.is_complete]
    excused = [one for one in imperfect if any(excuse.covers(one) for excuse in timeline.excuses)]
    avoidable = [one for one in imperfect if one not in excused]
    latencies_ms = [one.latency_s * 1000 for one in outcomes] or [0.0]
    return Verdict(
        kind=kind,
        requests=len(outcomes),
        wrong=len(wrong),
        hung=len(hung),
        avoidable=len(avoidable),
        excused=len(excused) + len(unnoticed),
        recovery_s=_recovery_s([*hung, *wrong, *imperfect, *_slow(outcomes)], timeline),
        median_ms=percentile(latencies_ms, 50),
        p99_ms=percentile(latencies_ms, 99),
        checks=tuple(checks),
        examples=tuple(
            _describe(what, one, timeline)
            for what, found in (("wrong", wrong), ("hung", hung), ("avoidable", avoidable))
            for one in found[:_MOST_EXAMPLES]
        ),
    )


def _slow(outcomes: Sequence[Outcome]) -> list[Outcome]:
    return [one for one in outcomes if one.latency_s > SLOW_S]


def _recovery_s(bad: Sequence[Outcome], timeline: Timeline) -> float:
    """Returns the longest time from a strike to the end of a bad answer that came after it and before the next."""
    longest = 0.0
    for outcome in bad:
        finished = outcome.finished_s
        if any(start <= finished < end for start, end in timeline.outages):
            continue
        before = [strike for strike in timeline.strikes if strike <= finished]
        if before:
            longest = max(longest, finished - before[-1])
    return longest


def _describe(what: str, outcome: Outcome, timeline: Timeline) -> str:
    since = outcome.finished_s - timeline.strikes[0] if timeline.strikes else outcome.finished_s
    told = outcome.detail or "from all shards"
    return f"{what}: {outcome.status} after {outcome.latency_s:.2f} s, {since:.2f} s after the fault ({told})"
