"""docs/tracing.md names every field of the JSON and every flag, with its default, and nothing that is not there."""

import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import click
import pytest

from coordinator import read_counts, requests, results, values
from headwater.count_command import count
from headwater.trace_command import trace

PAGE = (Path(__file__).parents[2] / "docs" / "tracing.md").read_text()

OBJECTS = {
    "trace": results.Trace,
    "span": results.Span,
    "merged span (a highlight)": results.MergedSpan,
    "document": results.Document,
    "snippet": results.Snippet,
    "coverage": results.Coverage,
    "coverage of a corpus": results.CorpusCoverage,
    "failed shard": values.FailedShard,
    "timings": results.Timings,
    "stats": read_counts.TraceStats,
    "read counts": read_counts.ReadCounts,
    "spans found (an event)": results.SpansFound,
    "documents found (an event)": results.DocumentsFound,
    "ranking (an event)": results.Ranking,
    "document rank": results.DocumentRank,
    "count (`headwater count --json`)": results.Count,
    "withheld": results.Withheld,
    "options": requests.TraceOptions,
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


def test_every_object_that_a_trace_or_an_event_holds_has_a_row() -> None:
    reached: set[type] = set()
    waiting: list[Any] = [results.Trace, results.Count, *get_args(results.TraceEvent)]
    while waiting:
        kind = waiting.pop()
        waiting += get_args(kind)
        if is_dataclass(kind) and kind not in reached:
            reached.add(kind)
            waiting += get_type_hints(kind).values()
    assert reached == set(OBJECTS.values()) - {requests.TraceOptions}
