"""What a bench says, to people and to machines."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from bench.machine import conditions, load_average
from bench.report import Report, percentile, show, write_json

REPORT = Report(
    title="a title",
    columns=("what", "ms"),
    rows=[["ours", "1.5"]],
    figures={"ratio": 2.5, "differences": 0},
    failures=["span (1, 2, 3) is missing"],
    notes=["a note"],
)


@pytest.mark.parametrize(("percent", "wanted"), [(50, 3), (95, 5), (99, 5), (1, 1), (100, 5)])
def test_percentile_is_a_value_that_was_measured(percent: float, wanted: int) -> None:
    assert percentile([5, 1, 4, 2, 3], percent) == wanted


def test_percentile_of_one_value_is_that_value() -> None:
    assert percentile([7.0], 95) == 7.0


def test_a_report_shows_rows_figures_notes_and_what_is_wrong() -> None:
    output = io.StringIO()
    show(REPORT, conditions(load_average()), Console(file=output, width=120))
    shown = output.getvalue()
    for part in ("a title", "ours", "ratio = 2.5", "differences = 0", "a note", "span (1, 2, 3)", "load average"):
        assert part in shown


def test_json_holds_the_figures_under_their_names(tmp_path: Path) -> None:
    write_json(REPORT, conditions(0.5), tmp_path / "out.json")
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["figures"] == {"ratio": 2.5, "differences": 0}
    assert written["failures"] == ["span (1, 2, 3) is missing"]
    assert written["conditions"]["load_before"] == 0.5
