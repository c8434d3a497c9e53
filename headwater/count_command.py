"""``headwater count``: how often a text occurs in an index."""

from pathlib import Path
from typing import Any

import click

from coordinator.api.json_codec import dumps
from coordinator.errors import CoordinatorError
from coordinator.results import Count
from headwater.answer_input import TextCommand, read_text
from headwater.labels import plain_count
from headwater.plain_text import visible
from headwater.target import TracedIndex
from headwater.target_options import Target, target_options, to_target

_PATH = click.Path(path_type=Path, dir_okay=False)


@click.command(cls=TextCommand)
@click.argument("text", required=False)
@click.option(
    "--file",
    type=_PATH,
    metavar="FILE",
    help="Read the text from a file.",
)
@target_options
@click.option("--json", "as_json", is_flag=True, help="Print the count with its coverage as JSON.")
def count(text: str | None, file: Path | None, as_json: bool, **flags: Any) -> None:
    """Count how often TEXT occurs in an index, token for token.

    TEXT may be '-' for standard input. The line end that closes a file or standard input is not counted.

    Prints the number alone, so that scripts can read it. If a shard did not answer, 'at least' stands before it and
    a warning says which; --require-complete makes that an error.

    In most tokenizers a word at the start of a text is another token than the same word after a space: TEXT
    without a space in front counts only the former. A note on standard error then says how many more there are
    with a space before it (not with --json); put a space in front of TEXT to count those.
    """
    target = to_target(flags)
    wanted = read_text(text, file, "text")
    with target.open() as index:
        found = _count(index, wanted, target)
        more = 0 if as_json else _count_after_space(index, wanted, found, target)
    click.echo(dumps(found) if as_json else plain_count(found))
    if more:
        click.echo(
            f"note: {more:,} more with a space before it; "
            "a word at the start of a text and inside one are different tokens",
            err=True,
        )
    if not found.coverage.complete:
        failed = "; ".join(f"shard {shard.shard}: {shard.reason}" for shard in found.coverage.failed_shards)
        click.echo(visible(f"Warning: a lower bound, not every shard answered ({failed})"), err=True)


def _count(index: TracedIndex, text: str, target: Target) -> Count:
    return index.count(text, corpora=target.corpora, require_complete=target.require_complete)


def _count_after_space(index: TracedIndex, text: str, found: Count, target: Target) -> int:
    """Returns how often a text occurs after a space, as far as ``found`` does not hold those; 0 if it may."""
    if text[0].isspace():
        return 0
    try:
        spaced = _count(index, f" {text}", target)
    except CoordinatorError:  # the text was counted; that the note cannot be given is no failure
        return 0
    # With one token more, the space is a token of its own (as in raw bytes) and the same occurrences are found
    # again, unless there are more of them.
    is_among_them = spaced.num_tokens == found.num_tokens + 1 and spaced.count <= found.count
    return 0 if is_among_them or spaced.count == found.count else spaced.count
