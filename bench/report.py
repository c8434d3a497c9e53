"""What a bench found: rows for a reader, figures for a machine, and what is wrong."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.machine import Conditions


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of one bench.

    Attributes:
        title: What was measured, on how much data, warm or cold.
        columns: Heads of the table; the first column names its rows.
        rows: Cells of the table.
        figures: Measured values under their published names.
        failures: What disagreed; empty if the results are right.
        notes: How to read the numbers.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    figures: Mapping[str, float | int]
    failures: Sequence[str] = field(default=())
    notes: Sequence[str] = field(default=())


def show(report: Report, conditions: Conditions, console: Console) -> None:
    """Prints the report."""
    table = Table()
    for number, column in enumerate(report.columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    for row in report.rows:
        table.add_row(*row)
    console.print(report.title, style="bold", markup=False, soft_wrap=True)
    console.print(table)
    console.print(conditions.describe(), soft_wrap=True, highlight=False)
    for name, value in report.figures.items():
        console.print(f"  {name} = {value:.6g}" if isinstance(value, float) else f"  {name} = {value}")
    for note in report.notes:
        console.print(f"  {note}", style="dim", markup=False, soft_wrap=True)
    for failure in report.failures:
        console.print(f"  WRONG: {failure}", style="bold red", markup=False, soft_wrap=True)


def write_json(report: Report, conditions: Conditions, path: Path) -> None:
    """Writes the figures, the table, and on what they were measured."""
    content = {
        "figures": dict(report.figures),
        "title": report.title,
        "columns": list(report.columns),
        "rows": [list(row) for row in report.rows],
        "notes": list(report.notes),
        "failures": list(report.failures),
        "conditions": conditions.as_json(),
    }
    path.write_text(json.dumps(content, indent=2) + "\n")


def percentile(values: Sequence[float], percent: float) -> float:
    """Returns the smallest value that at least ``percent`` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * percent // 100))
    return ordered[int(rank) - 1]
