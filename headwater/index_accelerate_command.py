"""``headwater index accelerate|info``: add sidecars to an index, and say what one holds."""

from pathlib import Path

import click
from rich.console import Console

from headwater.build_progress import build_progress
from headwater.command_options import PATH, json_option, threads_option
from headwater.index_report import print_acceleration, print_index
from headwater.termination import terminated_as_interrupted
from index_format.manifest import IndexManifest
from indexing import accelerate


@click.command("accelerate")
@click.argument("directory", type=PATH)
@click.option(
    "--shard",
    "shards",
    type=click.IntRange(min=0),
    multiple=True,
    metavar="N",
    help="Only this shard; repeat for more. Without it all are accelerated.",
)
@click.option("--force", is_flag=True, help="Build sidecars again where there are some: for damaged ones.")
@click.option(
    "--token-width",
    type=click.Choice(["1", "2", "4"]),
    metavar="BYTES",
    help="Bytes a token; for an index that infini-gram built, if its files do not tell.",
)
@threads_option()
@json_option()
def accelerate_command(
    directory: Path, shards: tuple[int, ...], force: bool, token_width: str | None, threads: int, as_json: bool
) -> None:
    """Add the sidecars that make searches fast.

    DIRECTORY is an index without them, infini-gram's own included. Nothing else of it changes, and it can be searched
    meanwhile. When the work is interrupted, the same command continues it.
    """
    with terminated_as_interrupted(), build_progress(Console(stderr=True)) as shown:
        report = accelerate(
            directory,
            shown,
            token_width=None if token_width is None else int(token_width),
            shards=shards,
            force=force,
            threads=threads,
        )
    print_acceleration(directory, report, as_json=as_json)


@click.command("info")
@click.argument("directory", type=PATH)
@json_option("it")
def info_command(directory: Path, as_json: bool) -> None:
    """Say what an index holds. Reads the manifests and checks the sizes of files, not their content."""
    manifest = IndexManifest.load(directory)
    shards = manifest.load_shards(directory)
    print_index(manifest, shards, as_json=as_json)
