"""A verdict counts what is wrong, hung or avoidable, excuses only what is excused, and times the recovery."""

from collections.abc import Sequence

import pytest

from bench.faults.outcomes import HUNG, OK, Outcome, Searched
from bench.faults.timeline import Excuse, Timeline
from bench.faults.verdict import Verdict, judge

ALL = Searched(complete=True, missing=frozenset(), index_ids=("one",))
WITHOUT_1 = Searched(complete=False, missing=frozenset({"c:1"}), index_ids=("one",))


def answered(at: float, *, took: float = 0.1, searched: Searched = ALL) -> Outcome:
    return Outcome(0, at, at + took, OK, b"right", searched)


def failed(at: float, status: str = "UNAVAILABLE", *, took: float = 0.1) -> Outcome:
    return Outcome(0, at, at + took, status, detail="gone")


def verdict(outcomes: Sequence[Outcome], timeline: Timeline) -> Verdict:
    return judge("kill", outcomes, timeline, lambda outcome: outcome.answer == b"right")


def struck(*at: float) -> Timeline:
    return Timeline(strikes=list(at))


def test_good_answers_all_along_leave_nothing_to_recover_from() -> None:
    found = verdict([answered(at) for at in range(10)], struck(5))
    assert (found.wrong, found.hung, found.avoidable, found.excused, found.recovery_s) == (0, 0, 0, 0, 0.0)
    assert found.failures == ()


def test_an_answer_that_differs_is_wrong_and_fails_the_suite() -> None:
    found = verdict([Outcome(0, 1, 1.1, OK, b"other", ALL)], struck(0))
    assert found.wrong == 1
    assert found.failures[0] == "kill: 1 wrong answers"
    assert "from all shards" in found.failures[1]


def test_a_wrong_answer_of_a_damaged_file_is_excused_while_nobody_could_know() -> None:
    timeline = struck(0)
    timeline.unnoticed.append((2.0, 3.0))
    wrong = [Outcome(0, at, at + 0.1, OK, b"other", ALL) for at in (1.0, 2.5, 3.5)]
    found = verdict(wrong, timeline)
    assert (found.wrong, found.excused) == (2, 1)


def test_a_hung_request_is_never_excused() -> None:
    timeline = struck(0)
    timeline.excuses.append(Excuse(0, 100, frozenset({HUNG, "UNAVAILABLE"}), frozenset({"c:1"})))
    found = verdict([failed(1, HUNG, took=7)], timeline)
    assert (found.hung, found.excused, found.avoidable) == (1, 0, 0)
    assert found.recovery_s == 8


def test_errors_and_incomplete_answers_are_avoidable_unless_excused() -> None:
    found = verdict([failed(1), answered(2, searched=WITHOUT_1), answered(3)], struck(0))
    assert found.avoidable == 2
    assert found.failures[0] == "kill: 2 errors or incomplete answers that could be avoided"


def test_an_excuse_covers_its_statuses_its_shards_and_its_time_only() -> None:
    timeline = struck(10)
    timeline.excuses.append(Excuse(10, 12, frozenset({"UNAVAILABLE"}), frozenset({"c:1"})))
    without_2 = Searched(complete=False, missing=frozenset({"c:2"}), index_ids=("one",))
    covered = [failed(9.95), failed(12), answered(11, searched=WITHOUT_1)]
    bare = [failed(9.5), failed(12.1), failed(11, "INTERNAL"), answered(11, searched=without_2)]
    found = verdict([*covered, *bare], timeline)
    assert (found.excused, found.avoidable) == (3, 4)


def test_recovery_lasts_until_the_last_bad_or_slow_answer_after_the_strike() -> None:
    assert verdict([answered(0), failed(1), answered(2)], struck(0.5)).recovery_s == pytest.approx(0.6)
    assert verdict([answered(1, took=3.0)], struck(0.5)).recovery_s == pytest.approx(3.5)
    assert verdict([answered(1, took=0.9)], struck(0.5)).recovery_s == 0.0


def test_what_was_bad_before_any_strike_is_no_recovery() -> None:
    assert verdict([failed(1)], struck(5)).recovery_s == 0.0


def test_recovery_is_measured_from_the_last_of_several_strikes() -> None:
    assert verdict([failed(1.1), failed(10.2)], struck(1, 10)).recovery_s == pytest.approx(0.3)


def test_an_outage_excuses_its_shards_and_recovery_begins_at_its_end() -> None:
    now = iter([0.0, 10.0])
    timeline = Timeline(clock=lambda: next(now))
    with timeline.outage({"c:1"}, grace_s=2):
        pass
    outcomes = [answered(at, searched=WITHOUT_1) for at in (1, 9, 11)]
    found = verdict(outcomes, timeline)
    assert (found.excused, found.avoidable) == (3, 0)
    assert found.recovery_s == pytest.approx(1.1)
    assert verdict([*outcomes, answered(12.1, searched=WITHOUT_1)], timeline).avoidable == 1


def test_latencies_count_from_when_a_request_was_due() -> None:
    found = verdict([answered(at, took=at / 100) for at in range(1, 101)], struck(0))
    assert found.median_ms == pytest.approx(500)
    assert found.p99_ms == pytest.approx(990)


def test_a_fault_without_traffic_proves_nothing() -> None:
    assert verdict([], struck(0)).failures == ("kill: no request was made",)


def test_what_the_scenario_found_wrong_fails_it() -> None:
    found = judge("verify", [answered(1)], struck(0), lambda _: True, ["verify did not see it"])
    assert found.failures == ("verify: verify did not see it",)
