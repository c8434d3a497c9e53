"""What was due outside of the fault windows is held to the targets; a wrong answer is one wherever it falls."""

from dataclasses import replace

from bench.faults.outcomes import HUNG, OK, Outcome, Searched
from loadtest.leaks import Growth
from loadtest.results import BAD_ANSWER, Second, Step
from loadtest.soak_answers import Kept
from loadtest.soak_faults import Struck
from loadtest.soak_verdict import Answers, failures_of, judge_answers, judged_step, windows_of
from loadtest.targets import Targets
from tests.unit.loadtest.sample_run import step, tally

BEGAN = 1_000.0  # second 0 of the run, on the monotonic clock
ALL = Searched(complete=True, missing=frozenset(), index_ids=("one",))
LACKING = Searched(complete=False, missing=frozenset({"c:1"}), index_ids=("one",))
STEP: Step = replace(step("soak", 10.0, 0, 100), timeline=tuple(Second(at, tally(10), 10, 10) for at in range(100)))
KILLED = Struck("killed", BEGAN + 40.0, BEGAN + 50.0, ())
TARGETS = Targets(p99_ms=200.0, error_rate=0.0, coverage=1.0)


def kept(
    at: float, status: str = OK, latency_s: float = 0.02, *, searched: Searched = ALL, answer: bytes = b"right"
) -> Kept:
    outcome = Outcome(7, BEGAN + at, BEGAN + at + latency_s, status, answer, searched if status == OK else None)
    return Kept(outcome, cached=False)


def judge(requests: list[Kept], run: Step = STEP, fault: Struck = KILLED) -> Answers:
    return judge_answers(
        requests,
        run,
        [fault],
        began=BEGAN,
        recovery_s=10.0,
        good_within_ms=1_000.0,
        is_right=lambda outcome: outcome.answer == b"right",
    )


PARTS = ("coordinator replica (2)", "coordinator, main process", "shard server 1 at 7001, generation-1-copy-0")
GROWTHS = [Growth(name, 60.0, 0.0, 0.0, 0.0, ()) for name in PARTS]
QUIET = [kept(float(at)) for at in (*range(0, 39), *range(61, 100))]


def test_a_quiet_run_with_a_fault_that_cost_something_in_its_window_passes() -> None:
    requests = [*QUIET, kept(42.0, "UNAVAILABLE"), kept(45.0, searched=LACKING, latency_s=3.0)]
    answers = judge(requests)
    judged = judged_step(STEP, answers, TARGETS)
    assert failures_of(judged, answers, GROWTHS) == ()
    assert answers.quiet.intended == len(QUIET) and answers.quiet.errors == {}
    [fault] = answers.faults
    assert (fault.requests, fault.errors, fault.incomplete, fault.wrong) == (2, 1, 1, 0)
    assert fault.slowest_ms == 3_000 and fault.recovery_s == 0.0
    [window] = windows_of(answers.faults)
    assert (window.start_s, window.end_s, window.label) == (40.0, 60.0, "killed")


def test_errors_and_slow_and_incomplete_answers_outside_of_a_window_miss_the_targets() -> None:
    for bad, target in (
        (kept(20.0, "UNAVAILABLE"), "error_rate"),
        (kept(62.0, latency_s=5.0), "p99_ms"),
        (kept(80.0, searched=LACKING), "coverage"),
    ):
        judged = judged_step(STEP, judge([*QUIET, bad]), TARGETS)
        assert [verdict.target for verdict in judged.verdicts if not verdict.met] == [target]


def test_a_request_that_was_under_way_when_a_fault_struck_belongs_to_it() -> None:
    answers = judge([*QUIET, kept(39.5, "UNAVAILABLE", latency_s=0.6), kept(59.9, "UNAVAILABLE")])
    assert answers.quiet.errors == {}
    assert answers.faults[0].errors == 2
    assert abs(answers.faults[0].recovery_s - 9.92) < 1e-6


def test_wrong_and_unreadable_answers_and_hung_requests_fail_in_a_window_too() -> None:
    for bad, told in (
        (kept(45.0, answer=b"wrong"), "1 wrong answers of 79"),
        (kept(45.0, BAD_ANSWER), "1 wrong answers of 78"),
        (kept(45.0, HUNG), "1 requests without an outcome"),
    ):
        answers = judge([*QUIET, bad])
        failures = failures_of(judged_step(STEP, answers, TARGETS), answers, GROWTHS)
        assert failures[0] == told
        assert "due at 45.00 s" in failures[1]


def test_wrong_answers_of_a_damaged_file_are_told_apart_while_nobody_could_know() -> None:
    damaged = replace(KILLED, unnoticed=((BEGAN + 44.0, BEGAN + 46.0),))
    for at, counts in ((43.97, (1, 0)), (43.99, (0, 1)), (45.99, (0, 1)), (46.01, (1, 0))):
        answers = judge([*QUIET, kept(at, answer=b"wrong")], fault=damaged)
        assert (answers.wrong, answers.unnoticed) == counts
    answers = judge([*QUIET, kept(45.0, BAD_ANSWER), kept(45.0, HUNG)], fault=damaged)
    assert (answers.wrong, answers.unnoticed, answers.hung) == (1, 0, 1)


def test_requests_that_the_limit_kept_back_count_as_errors_outside_of_windows() -> None:
    held_back = replace(tally(10), sent=7)
    seconds = tuple(Second(at, held_back if at in (20, 45) else tally(10), 10, 10) for at in range(100))
    answers = judge(QUIET, replace(STEP, timeline=seconds))
    assert answers.quiet.errors == {"IN_FLIGHT_LIMIT": 3}
    assert answers.quiet.intended == len(QUIET) + 3


def test_the_warm_up_is_compared_and_not_held_to_the_targets() -> None:
    late = replace(STEP, began_s=10.0)
    answers = judge([*QUIET, kept(5.0, "UNAVAILABLE"), kept(6.0, answer=b"wrong")], late)
    assert answers.quiet.errors == {} and answers.wrong == 1


def test_leaks_faulty_faults_and_a_soak_that_saw_nothing_fail() -> None:
    answers = judge(QUIET)
    leak = Growth("a", 60.0, 1e9, 0.0, 0.0, ("a: memory grew",))
    judged = judged_step(STEP, answers, TARGETS)
    assert failures_of(judged, answers, [*GROWTHS, leak]) == ("a: memory grew",)
    checked = replace(answers, faults=(replace(answers.faults[0], checks=("not mended",)),))
    assert failures_of(judged, checked, GROWTHS) == ("killed: not mended",)
    nothing = judge([])
    assert "no answer was compared with the oracle's" in failures_of(
        judged_step(STEP, nothing, TARGETS), nothing, GROWTHS
    )


def test_a_soak_that_judged_no_replica_no_coordinator_or_no_shard_server_fails() -> None:
    answers = judge(QUIET)
    judged = judged_step(STEP, answers, TARGETS)
    of_ray = Growth("Ray: raylet", 60.0, 0.0, 0.0, 0.0, ())
    for missing, part in enumerate(("coordinator replica", "coordinator, main process", "shard server")):
        others = [*(growth for number, growth in enumerate(GROWTHS) if number != missing), of_ray]
        [told] = failures_of(judged, answers, others)
        assert told.startswith(f"no {part} was looked at long enough")
        assert all(growth.name in told for growth in others)
    assert len(failures_of(judged, answers, [])) == 3
