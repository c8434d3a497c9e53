"""The table of a run replaces the one before it, and nothing else of the page."""

from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.faults.page import _BEGIN, _END, write_table
from bench.machine import Conditions
from bench.report import Report

HERE = Conditions("cpu", 2, 16.0, "Linux 6", "disk", 0.1, 0.2)
REPORT = Report(
    "t", ("fault", "wrong"), [["kill", "0"]], {"fault_kinds": 1, "worst_recovery_s": 0.5}, notes=["3 shards"]
)
PAGE = Path(__file__).parents[3] / "docs" / "reliability.md"


def test_the_table_of_a_run_replaces_the_one_before(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"above\n{_BEGIN}\nold\n{_END}\nbelow\n")
    write_table(REPORT, HERE, page)
    once = page.read_text()
    assert once.startswith(f"above\n{_BEGIN}\n| fault | wrong |\n|---|--:|\n| kill | 0 |\n")
    assert once.endswith(f"{_END}\nbelow\n")
    assert "old" not in once
    assert "`worst_recovery_s` = 0.50" in once
    assert "3 shards." in once
    write_table(REPORT, HERE, page)
    assert page.read_text() == once


def test_a_page_without_a_place_for_the_table_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing")
    with pytest.raises(BenchError, match="markers"):
        write_table(REPORT, HERE, page)


def test_the_page_has_a_place_for_the_table() -> None:
    text = PAGE.read_text()
    assert text.count(_BEGIN) == text.count(_END) == 1
