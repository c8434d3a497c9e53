"""``headwater count``: how often a text occurs in an index."""

from pathlib import Path

import click

from coordinator.json_codec import dumps
from headwater.answer_input import read_text
from headwater.target import check_target, open_target, target_options

_PATH = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("text", required=False)
@click.option(
    "--file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Read the text from a file.",
)
@target_options
@click.option("--json", "as_json", is_flag=True, help="Print the count with its coverage as JSON.")
def count(
    text: str | None, file: Path | None, index_directory: Path | None, connect: str | None, as_json: bool
) -> None:
    """Count how often TEXT occurs in an index, token for token.

    TEXT may be '-' for standard input. The line end that closes a file or standard input is not counted.

    Prints the number alone, so that scripts can read it. If a shard did not answer, the number is a lower
    bound and a warning says so.
    """
    check_target(index_directory, connect)
    wanted = read_text(text, file, "text")
    with open_target(index_directory, connect) as index:
        found = index.count(wanted)
    click.echo(dumps(found) if as_json else str(found.count))
    if not found.coverage.complete:
        failed = "; ".join(f"shard {shard.shard}: {shard.reason}" for shard in found.coverage.failed_shards)
        click.echo(f"Warning: a lower bound, not every shard answered ({failed})", err=True)
