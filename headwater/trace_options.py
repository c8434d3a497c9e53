"""One command line flag for every field of `TraceOptions`, with its default."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from coordinator.requests import SpanRanking, TraceOptions

_F = TypeVar("_F", bound=Callable[..., Any])
_DEFAULTS = TraceOptions()
_ESCAPES = {"\\n": "\n", "\\t": "\t", "\\r": "\r"}

# Parameter names are the names of the fields of TraceOptions.
_FLAGS = (
    click.option(
        "--delimiter",
        "delimiters",
        multiple=True,
        default=_DEFAULTS.delimiters,
        metavar="TEXT",
        help=r"Text that a span holds only as its last token; '\n' is a newline. Repeat for several, '' for "
        r"none. [default: '\n' and '.']",
    ),
    click.option(
        "--partial-words",
        "allow_partial_words",
        is_flag=True,
        default=_DEFAULTS.allow_partial_words,
        help="Let spans start and end inside words.",
    ),
    click.option(
        "--min-span-tokens",
        type=int,
        default=_DEFAULTS.min_span_tokens,
        show_default=True,
        help="Shortest span.",
    ),
    click.option(
        "--max-count",
        type=int,
        default=_DEFAULTS.max_count,
        show_default=True,
        help="Drop spans that occur more often than this.",
    ),
    click.option(
        "--max-span-density",
        type=float,
        default=_DEFAULTS.max_span_density,
        show_default=True,
        help="Keep at most this many spans a token of the answer, rounded up.",
    ),
    click.option(
        "--span-ranking",
        type=click.Choice([ranking.value for ranking in SpanRanking]),
        default=_DEFAULTS.span_ranking.value,
        show_default=True,
        help="Which spans are kept: the least likely by single-token counts, or the longest.",
    ),
    click.option(
        "--max-occurrences-per-span",
        type=int,
        default=_DEFAULTS.max_occurrences_per_span,
        show_default=True,
        help="Occurrences drawn of each span.",
    ),
    click.option(
        "--context-tokens",
        type=int,
        default=_DEFAULTS.context_tokens,
        show_default=True,
        help="Tokens on each side of an occurrence that documents are ranked on.",
    ),
    click.option(
        "--snippet-tokens",
        type=int,
        default=_DEFAULTS.snippet_tokens,
        show_default=True,
        help="Tokens on each side of an occurrence that are shown.",
    ),
    click.option(
        "--seed", type=int, default=_DEFAULTS.seed, show_default=True, help="Seed of the draw of occurrences."
    ),
)


def trace_options(command: _F) -> _F:
    """Adds a flag for every field of `TraceOptions` to a command."""
    for flag in reversed(_FLAGS):
        command = flag(command)
    return command


def to_trace_options(flags: dict[str, Any]) -> TraceOptions:
    """Returns the options that the flags of `trace_options` say."""
    delimiters = tuple(_ESCAPES.get(text, text) for text in flags.pop("delimiters") if text)
    ranking = SpanRanking(flags.pop("span_ranking"))
    return TraceOptions(delimiters=delimiters, span_ranking=ranking, **flags)
