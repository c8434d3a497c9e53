"""The page shows what a run holds, to whoever opens it offline, and is well formed."""

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from loadtest.report_charts import latency_against_rate
from loadtest.report_page import render
from loadtest.results import Run, Verdict, Window
from tests.unit.loadtest.sample_run import search, soak

VOID = {"meta", "br", "hr", "link", "img", "input"}


class Page(HTMLParser):
    """A page: that its tags are balanced, its headings, its tables, and what it would load."""

    def __init__(self, markup: str):
        super().__init__()
        self.open: list[str] = []
        self.headings: list[str] = []
        self.cells: list[str] = []
        self.loads: list[str] = []
        self.bands: list[str] = []
        self.feed(markup)
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        known = dict(attributes)
        self.loads += [str(known[name]) for name in ("src", "href", "action") if name in known]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("h2", "h3"):
            self.headings.append(data)
        if "td" in self.open:
            self.cells[-1] += data
        if self.open[-2:] == ["rect", "title"]:
            self.bands.append(data)


@pytest.mark.parametrize("run", [search(), search(None), soak(), replace(search(), steps=(), highest_rate=None)])
def test_a_page_is_well_formed_and_loads_nothing(run: Run) -> None:
    markup = render(run, search())
    assert Page(markup).loads == []
    assert "default-src 'none'" in markup and "<script" not in markup


def test_a_search_shows_its_rates_targets_and_highest_rate() -> None:
    page = Page(render(search()))
    assert page.headings[:3] == ["Targets", "Rates", "Time line"]
    assert "105 requests a second meet the targets" in render(search())
    assert {"40", "80", "160", "120", "100", "105"} <= set(page.cells)
    assert "missed p99_ms, error_rate" in page.cells


def test_a_rate_that_was_tried_again_is_one_point_and_a_soak_is_none() -> None:
    run = search()
    [first, *others] = run.steps
    missed = replace(first, verdicts=(Verdict("p99_ms", "at most", 1.0, 9.0, False),))
    assert latency_against_rate(replace(run, steps=(missed, first, *others))) == latency_against_rate(run)
    assert latency_against_rate(replace(run, steps=(first, missed, *others))) == latency_against_rate(run)
    assert latency_against_rate(replace(run, steps=(*run.steps, *soak().steps))) == latency_against_rate(
        replace(run, steps=(*run.steps, replace(run.steps[-1], verdicts=soak().steps[-1].verdicts)))
    )
    assert latency_against_rate(soak()) == ""


def test_faults_are_shaded_and_processes_shown() -> None:
    page = Page(render(soak()))
    assert page.bands.count("replica killed") == 4  # in each picture over time
    assert "coordinator replica" in page.cells
    assert "209 to 269" in page.cells or "210 to 270" in page.cells


def test_a_missed_target_and_a_late_client_stand_at_the_top() -> None:
    run = search()
    *others, last = run.steps
    late = replace(last, verdicts=(Verdict("p99_ms", "at most", 10.0, None, False),))
    late = replace(late, client=replace(last.client, kept_schedule=False, late_p99_ms=77.7))
    markup = render(replace(run, steps=(*others, late), passed=False, highest_rate=None))
    assert 'class="verdict missed">A target was missed' in markup
    assert "within 77.7 ms of when they were due" in markup
    assert "nothing" in Page(markup).cells


def test_what_servers_and_files_say_is_no_markup() -> None:
    bad = "<script>alert(1)</script>\u202e"
    run = replace(
        soak(),
        notes=(bad,),
        windows=(Window(1.0, 2.0, bad),),
        machine=replace(soak().machine, processor=bad),
        configuration=replace(soak().configuration, target=bad, workloads={bad: 1.0}),
    )
    step = run.steps[0]
    told = replace(step.total, errors={bad: 3})
    run = replace(run, steps=(replace(step, total=told, workloads={bad: told, "b": told}),))
    markup = render(run, run)
    assert "<script" not in markup
    assert markup.count("&lt;script") >= 8
