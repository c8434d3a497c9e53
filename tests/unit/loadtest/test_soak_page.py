"""The page of a soak shows its faults, its growth and why it did not pass; its JSON holds the same."""

import json
from dataclasses import replace
from pathlib import Path

from loadtest.leaks import Bounds, Growth
from loadtest.soak import told
from loadtest.soak_page import render_soak
from loadtest.soak_result import FaultFound, Soak, write_soak
from tests.unit.loadtest.sample_run import soak as sample
from tests.unit.loadtest.test_report_page import Page

FAULTS = (
    FaultFound("replica killed", 60.0, 70.0, 80.0, 1_400, 0, 0, 12, 33, 812.0, 1.2, ()),
    FaultFound("index generation swapped", 170.0, 186.0, 196.0, 1_820, 2, 1, 0, 0, 95.0, 14.0, ("<b>not mended</b>",)),
)
GROWTHS = (
    Growth("shard server 0", 240.0, 1 << 20, 0.0, 0.0, ()),
    Growth("coordinator replica", 240.0, 60 << 20, 1.0, 0.0, ("coordinator replica: memory grew by 60.0 MiB",)),
)
SOAK = Soak(
    run=replace(sample(), highest_rate=100.0),
    rate_share=0.7,
    compared=20_000,
    cached=4_000,
    wrong=2,
    unnoticed=1,
    hung=1,
    quiet_requests=17_000,
    recovery_s=10.0,
    faults=FAULTS,
    growths=GROWTHS,
    bounds=Bounds(),
    failures=("2 wrong answers of 20,000", "index generation swapped: <b>not mended</b>"),
)


def test_a_page_shows_faults_growth_and_failures() -> None:
    markup = render_soak(SOAK)
    page = Page(markup)
    assert page.loads == [] and "<b>not" not in markup
    assert page.headings[:4] == ["Answers", "Targets, outside of the fault windows", "Faults", "Time line"]
    assert {"replica killed", "1,400", "33", "812 ms", "+60.0 MiB", "+1.0 MiB"} <= set(page.cells)
    assert "5 minutes at 70 requests a second with 2 faults: not passed" in markup
    assert "2 wrong answers of 20,000" in markup and "70% of the highest rate" in markup


def test_a_soak_that_passed_says_so() -> None:
    passed = replace(SOAK, failures=(), wrong=0)
    assert passed.passed and ": passed</p>" in render_soak(passed)
    assert told(passed)[-1] == "passed"
    assert told(SOAK)[-1].startswith("NOT PASSED: index generation")


def test_the_json_holds_the_run_and_the_faults(tmp_path: Path) -> None:
    write_soak(SOAK, tmp_path / "soak.json")
    content = json.loads((tmp_path / "soak.json").read_text())
    assert content["format"] == "headwater-soak/1"
    assert content["run"]["configuration"]["seed"] == 1
    assert [fault["kind"] for fault in content["faults"]] == [fault.kind for fault in FAULTS]
    assert content["failures"] == list(SOAK.failures)
