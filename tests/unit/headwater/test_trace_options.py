"""The flags of ``headwater trace`` and the options they make."""

from dataclasses import fields
from typing import Any

import click
from click.testing import CliRunner

from coordinator.requests import SpanRanking, TraceOptions
from headwater.trace_options import to_trace_options, trace_options


def parsed(*arguments: str) -> TraceOptions:
    found: list[TraceOptions] = []

    @click.command()
    @trace_options
    def command(**flags: Any) -> None:
        found.append(to_trace_options(flags))

    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    return found[0]


def test_no_flag_means_the_defaults() -> None:
    assert parsed() == TraceOptions()


def test_every_option_has_a_flag() -> None:
    @click.command()
    @trace_options
    def command(**flags: Any) -> None:
        """Does nothing."""

    assert {parameter.name for parameter in command.params} == {field.name for field in fields(TraceOptions)}


def test_every_flag_is_passed_on() -> None:
    assert parsed(
        *("--delimiter", "\\n", "--delimiter", "!", "--partial-words", "--min-span-tokens", "3"),
        *("--max-count", "9", "--max-span-density", "0.5", "--span-ranking", "length"),
        *("--max-occurrences-per-span", "2", "--context-tokens", "100", "--snippet-tokens", "7", "--seed", "1"),
    ) == TraceOptions(("\n", "!"), True, 3, 9, 0.5, SpanRanking.LENGTH, 2, 100, 7, 1)


def test_empty_delimiter_means_none() -> None:
    assert parsed("--delimiter", "").delimiters == ()
