"""docs/tracing.md names every field of the JSON and every flag, with its default, and nothing that is not there."""

import re
from dataclasses import fields
from pathlib import Path

import click
import pytest

from coordinator import values
from headwater.count_command import count
from headwater.trace_command import trace

PAGE = (Path(__file__).parents[2] / "docs" / "tracing.md").read_text()

OBJECTS = {
    "trace": values.Trace,
    "span": values.Span,
    "merged span (a highlight)": values.MergedSpan,
    "document": values.Document,
    "snippet": values.Snippet,
    "coverage": values.Coverage,
    "failed shard": values.FailedShard,
    "timings": values.Timings,
    "stats": values.TraceStats,
    "read counts": values.ReadCounts,
    "count (`headwater count --json`)": values.Count,
    "options": values.TraceOptions,
}


@pytest.mark.parametrize("name", OBJECTS)
def test_fields_of_an_object_are_listed_in_order(name: str) -> None:
    row = re.search(rf"^\| {re.escape(name)} \| (.*) \|$", PAGE, re.MULTILINE)
    assert row
    assert re.findall(r"`(\w+)`", row[1]) == [field.name for field in fields(OBJECTS[name])]


def test_every_flag_is_explained_and_every_explained_flag_exists() -> None:
    flags = {flag for command in (trace, count) for parameter in command.params for flag in parameter.opts}
    flags = {flag for flag in flags if flag.startswith("--")}
    assert flags == set(re.findall(r"`(--[\w-]+)", PAGE))


def test_defaults_in_the_page_are_those_of_the_command() -> None:
    options = {parameter.opts[0]: parameter for parameter in trace.params if isinstance(parameter, click.Option)}
    rows = re.findall(r"^\| `(--[\w-]+)[^|]*\| `?([\w.]+)`? \|", PAGE, re.MULTILINE)
    told = {flag: default for flag, default in rows if flag not in ("--delimiter", "--partial-words")}
    assert len(told) == 8
    assert told == {flag: str(options[flag].default) for flag in told}
