"""The published figures of the fault suite, from the verdicts; and goodput, from outcomes."""

from dataclasses import replace

import pytest

from bench.faults.outcomes import OK, Outcome, Searched
from bench.faults.overload import Overload, goodput
from bench.faults.suite import report
from bench.faults.verdict import Verdict

GOOD = Verdict("kill", 100, 0, 0, 0, 0, recovery_s=0.5, median_ms=10.0, p99_ms=20.0)
OVERLOADED = Overload(replace(GOOD, kind="overload", recovery_s=0.0), capacity=80.0, goodput_at_2x=0.95)


def test_figures_are_sums_and_the_worst_recovery() -> None:
    bad = replace(GOOD, kind="freeze", wrong=1, hung=2, avoidable=3, recovery_s=4.0)
    found = report([GOOD, bad, OVERLOADED.verdict], OVERLOADED, "")
    assert found.figures == {
        "fault_kinds": 3,
        "wrong_answers": 1,
        "hung_requests": 2,
        "avoidable_errors": 3,
        "worst_recovery_s": 4.0,
        "goodput_at_2x": 0.95,
    }
    assert "freeze: 1 wrong answers" in found.failures
    assert not any(failure.startswith("kill") for failure in found.failures)


def test_a_run_in_which_all_is_well_has_no_failures_and_a_row_a_fault() -> None:
    found = report([GOOD, OVERLOADED.verdict], OVERLOADED, "")
    assert found.failures == []
    assert [row[0] for row in found.rows] == ["kill", "overload"]
    assert all(len(row) == len(found.columns) for row in found.rows)


def test_a_machine_without_namespaces_is_told_of() -> None:
    assert report([GOOD], OVERLOADED, "iproute2 is not installed").notes[-1].endswith("iproute2 is not installed")
    assert not any("skipped" in note for note in report([GOOD], OVERLOADED, "").notes)


def test_goodput_counts_complete_and_right_answers_of_the_interval() -> None:
    complete = Searched(complete=True, missing=frozenset(), index_ids=("one",))
    partial = Searched(complete=False, missing=frozenset({"c:1"}), index_ids=("one",))
    outcomes = [
        Outcome(0, 0.0, 0.9, OK, b"right", complete),
        Outcome(0, 0.0, 1.0, OK, b"right", complete),
        Outcome(0, 1.0, 2.9, OK, b"right", complete),
        Outcome(0, 1.0, 2.0, OK, b"other", complete),
        Outcome(0, 1.0, 2.0, OK, b"right", partial),
        Outcome(0, 1.0, 2.0, "RESOURCE_EXHAUSTED"),
        Outcome(0, 2.0, 3.0, OK, b"right", complete),
    ]
    assert goodput(outcomes, 1.0, 3.0, lambda one: one.answer == b"right") == pytest.approx(1.0)
