"""The table of the last run, on the page that says what happens when something fails."""

from pathlib import Path

from bench.errors import BenchError
from bench.machine import Conditions
from bench.report import Report

_BEGIN, _END = "<!-- table of python -m bench faults: begin -->", "<!-- table of python -m bench faults: end -->"


def write_table(report: Report, conditions: Conditions, page: Path) -> None:
    """Replaces what stands between the two markers of a page by the report.

    Raises:
        BenchError: the page lacks the markers.
    """
    text = page.read_text()
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise BenchError(f"{page}: expected the markers {_BEGIN!r} and {_END!r}")
    page.write_text(f"{before}{begin}\n{markdown(report, conditions)}\n{end}{after}")


def markdown(report: Report, conditions: Conditions) -> str:
    """Returns the report as Markdown."""
    lines = [
        f"| {' | '.join(report.columns)} |",
        f"|{'|'.join('---' if number == 0 else '--:' for number in range(len(report.columns)))}|",
        *(f"| {' | '.join(row)} |" for row in report.rows),
        "",
        *(f"`{name}` = {_number(value)}  " for name, value in report.figures.items()),
        "",
        *(f"{note}.  " for note in report.notes),
        f"{conditions.describe()}.",
    ]
    return "\n".join(lines)


def _number(value: float | int) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
