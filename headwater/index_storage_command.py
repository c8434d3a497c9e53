"""``headwater index push|pull``: put an index on object storage, and bring it, or some shards of it, to a server."""

import json
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console

from headwater.build_progress import build_progress, format_seconds
from headwater.command_options import PATH, json_option
from headwater.labels import plural
from headwater.place_type import PlaceType
from index_format.manifest import IndexManifest
from indexing.disk_needs import format_bytes
from indexing.living.change_lock import unchanged
from indexing.progress import Stages
from indexing.pulling import DEFAULT_CONNECTIONS, MAX_CONNECTIONS, pull
from indexing.remote_path import Place, RemotePath
from indexing.remote_publishing import publish_to
from indexing.remote_record import MoveReport


@click.command("push")
@click.argument("directory", type=PATH)
@click.argument("url", type=PlaceType(), metavar="URL")
@click.option("--read-back", is_flag=True, help="Also read what has arrived, and compare its checksums.")
@json_option()
def push_command(directory: Path, url: Place, read_back: bool, as_json: bool) -> None:
    """Put an index on object storage.

    URL is a folder: s3://bucket/index, gs://bucket/index, or what else fsspec knows. Readers find the index once all of
    it is there. When the work is interrupted, the same command continues it.
    """
    IndexManifest.load(directory)  # a wrong directory is told before a lock is made in it
    with unchanged(directory), build_progress(Console(stderr=True)) as shown:
        report = publish_to(directory, _remote(url), Stages(shown), read_back=read_back)
    _print_report(str(url), report, "uploaded", as_json=as_json)


@click.command("pull")
@click.argument("url", type=PlaceType(), metavar="URL")
@click.argument("directory", type=PATH)
@click.option(
    "--shard",
    "shards",
    type=click.IntRange(min=0),
    multiple=True,
    metavar="N",
    help="Only this shard, with what every server needs besides; repeat for more. Without it all shards come.",
)
@click.option("--no-shards", is_flag=True, help="Manifest and tokenizer only: what a coordinator reads.")
@click.option(
    "--connections",
    type=click.IntRange(1, MAX_CONNECTIONS),
    default=DEFAULT_CONNECTIONS,
    show_default=True,
    metavar="N",
    help="Requests made at a time; each holds 8 MiB of memory.",
)
@json_option()
def pull_command(
    url: Place, directory: Path, shards: tuple[int, ...], no_shards: bool, connections: int, as_json: bool
) -> None:
    """Bring an index, or some of its shards, from object storage.

    Every file is checked against its published checksum before it gets its name, and index.json comes last. When the
    work is interrupted, the same command continues it. DIRECTORY may hold this index already: then only what is missing
    comes.
    """
    if no_shards and shards:
        raise click.UsageError("Give one of --shard and --no-shards.")
    wanted = () if no_shards else shards or None
    with build_progress(Console(stderr=True)) as shown:
        report = pull(_remote(url), directory, shown, shards=wanted, num_connections=connections)
    _print_report(str(directory), report, "downloaded", as_json=as_json)


def _remote(place: Place) -> RemotePath:
    """Returns the URL of a place; a folder on this machine, a mounted one for instance, will do as well."""
    return place if isinstance(place, RemotePath) else RemotePath(f"file://{place.absolute()}")


def _print_report(place: str, report: MoveReport, moved: str, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"place": place, **asdict(report)}))
        return
    click.echo(
        f"{place}: index {report.index_id}, {plural(report.num_shards, 'shard')} of {format_bytes(report.size_bytes)}, "
        f"{format_bytes(report.moved_bytes)} {moved} in {format_seconds(report.seconds)}"
    )
