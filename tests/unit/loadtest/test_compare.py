"""What became worse is told, noise is not, and runs that cannot be compared are not."""

from dataclasses import replace

from loadtest.compare import compare
from loadtest.results import Latency, Run
from tests.unit.loadtest.sample_run import search


def with_latency(run: Run, factor: float) -> Run:
    *others, last = run.steps
    assert last.total.latency is not None
    latency = Latency(*(factor * getattr(last.total.latency, name) for name in Latency.__slots__))
    return replace(run, steps=(*others, replace(last, total=replace(last.total, latency=latency))))


def test_a_run_is_no_regression_against_itself() -> None:
    comparison = compare(search(), search())
    assert comparison.rows and not comparison.regressions and not comparison.notes
    assert {row.ratio for row in comparison.rows if row.ratio is not None} == {1.0}


def test_latencies_that_grow_by_more_than_the_tolerance_are_a_regression() -> None:
    assert not compare(with_latency(search(), 1.19), search()).regressions
    found = compare(with_latency(search(), 1.5), search()).regressions
    assert [row.name.partition(" ")[0] for row in found] == ["p50", "p95", "p99"]
    assert all(row.ratio is not None and abs(row.ratio - 1.5) < 1e-9 for row in found)
    assert not compare(with_latency(search(), 1.5), search(), tolerance=0.6).regressions
    assert not compare(search(), with_latency(search(), 1.5)).regressions


def test_a_lower_highest_rate_and_one_that_is_gone_are_regressions() -> None:
    assert [row.name for row in compare(search(80.0), search()).regressions] == ["highest rate, requests/s"]
    assert not compare(search(100.0), search()).regressions
    assert [row.name for row in compare(search(None), search()).regressions] == ["highest rate, requests/s"]
    assert not compare(search(), search(None)).regressions


def test_a_highest_rate_is_compared_with_another_one_only() -> None:
    found = search()
    at_one_rate = replace(found, steps=(replace(found.steps[-1], kind="rate"),), highest_rate=None)
    for run, earlier, which in ((at_one_rate, found, "later"), (found, at_one_rate, "earlier")):
        comparison = compare(run, earlier)
        assert not comparison.regressions
        assert not [row for row in comparison.rows if "highest" in row.name]
        assert f"the {which} run did not look for it" in " ".join(comparison.notes)
        assert [row.name.partition(" ")[0] for row in comparison.rows[:3]] == ["p50", "p95", "p99"]
    assert not compare(at_one_rate, at_one_rate).notes


def test_errors_and_incomplete_answers_count_by_what_they_were() -> None:
    run = search()
    *others, last = run.steps
    broken = replace(last.total, errors={"UNAVAILABLE": 60}, complete=last.total.complete - 60)
    worse = replace(run, steps=(*others, replace(last, total=broken)))
    assert {row.name.partition(",")[0] for row in compare(worse, run).regressions} == {"errors", "complete"}
    one = replace(last.total, errors={"UNAVAILABLE": 1})
    assert not compare(replace(run, steps=(*others, replace(last, total=one))), run).regressions


def test_latencies_of_other_rates_are_not_compared() -> None:
    run = search()
    alone = replace(run, steps=run.steps[:1])
    comparison = compare(run, alone)
    assert [row.name for row in comparison.rows] == ["highest rate, requests/s"]
    assert any("40" in note and "105" in note for note in comparison.notes)
    # The step of the nearest rate is the one that counts, not the last.
    assert compare(alone, run).rows[1].ratio == 1.0


def test_other_settings_another_machine_and_a_late_client_are_told() -> None:
    run = search()
    *others, last = run.steps
    other = replace(
        run,
        configuration=replace(run.configuration, protocol="http", target="127.0.0.1:1"),
        machine=replace(run.machine, cores=64),
        steps=(*others, replace(last, client=replace(last.client, kept_schedule=False))),
    )
    notes = " ".join(compare(other, run).notes)
    assert "protocol differs: grpc earlier, http now" in notes
    assert "64 now" in notes and "client was late" in notes and "target" not in notes
