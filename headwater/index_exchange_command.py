"""``headwater index import|export``: take in shards that infini-gram built, and give an index out for its engine."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import click
from rich.console import Console

from headwater.build_progress import build_progress
from headwater.command_options import PATH, SOURCE, STAGE, json_option, threads_option
from headwater.labels import plural
from headwater.plain_text import shorten, visible
from headwater.termination import terminated_as_interrupted
from indexing import verify
from indexing.living.export import ExportReport, export_index
from indexing.living.import_ import ImportReport, import_index
from indexing.living.links import Linked

_BEGINNING_WIDTH = 70


@click.command("import")
@click.argument("folders", nargs=-1, required=True, type=PATH, metavar="FOLDER...")
@click.option("--out", required=True, type=PATH, metavar="DIR", help="Directory of the index; new or empty.")
@click.option("--tokenizer", type=PATH, metavar="FILE", help="The tokenizer.json that the shards were built with.")
@click.option("--raw-bytes", is_flag=True, help="No tokenizer: the tokens are bytes.")
@click.option(
    "--token-width",
    type=click.Choice(["1", "2", "4"]),
    metavar="BYTES",
    help="Bytes a token, if the files do not tell.",
)
@STAGE
@SOURCE
@click.option("--verify", "deep", is_flag=True, help="Check everything afterwards, as 'headwater index verify --deep'.")
@click.option("--fresh", is_flag=True, help="Begin anew where an unfinished import is found.")
@threads_option()
@json_option()
def import_command(
    folders: tuple[Path, ...],
    out: Path,
    tokenizer: Path | None,
    raw_bytes: bool,
    token_width: str | None,
    stage: str,
    source: str,
    deep: bool,
    fresh: bool,
    threads: int,
    as_json: bool,
) -> None:
    """Make an index of shards that infini-gram built.

    FOLDER holds files of its version 4 (tokenized.0, table.0, ..., tokenized.1, ...) or 6 (tokenized, table, ...), or
    folders of such files. They are checked, read once for their checksums, and linked, not copied; nothing is written
    to FOLDER. 'headwater index accelerate' then makes searches fast. When the work is interrupted, the same command
    continues it.

    Example: headwater index import /data/pile --out pile --tokenizer llama-2.json
    """
    if (tokenizer is not None) + raw_bytes != 1:
        raise click.UsageError("Give one of --tokenizer and --raw-bytes.")
    with terminated_as_interrupted(), build_progress(Console(stderr=True)) as shown:
        report = import_index(
            folders,
            out,
            tokenizer,
            shown,
            token_width=None if token_width is None else int(token_width),
            stage=stage,
            source=source,
            threads=threads,
            fresh=fresh,
        )
        if deep:
            verify(out, shown, threads, deep=True)
    _print_import(out, report, deep=deep, as_json=as_json)


@click.command("export")
@click.argument("directory", type=PATH)
@click.option("--out", required=True, type=PATH, metavar="FOLDER", help="Where to; a new or empty folder.")
@click.option(
    "--layout",
    type=click.Choice(["v4", "v6"]),
    default="v4",
    show_default=True,
    help="v4: one folder, files numbered by shard. v6: a folder a shard, files without numbers.",
)
@click.option("--copy", "copies", is_flag=True, help="Copy files instead of linking them.")
@json_option()
def export_command(directory: Path, out: Path, layout: Literal["v4", "v6"], copies: bool, as_json: bool) -> None:
    """Give an index out in the form that infini-gram's engine opens.

    Example: headwater index export my-index --out for-infini-gram
    """
    with terminated_as_interrupted(), build_progress(Console(stderr=True)) as shown:
        report = export_index(directory, out, shown, layout=layout, copies=copies)
    _print_export(out, report, as_json=as_json)


def _print_import(directory: Path, report: ImportReport, *, deep: bool, as_json: bool) -> None:
    manifest = report.manifest
    if as_json:
        summary = {"directory": str(directory), "verified": deep, **asdict(report)}
        summary |= {"stage_seconds": dict(report.stage_seconds)}
        click.echo(json.dumps(summary))
        return
    checked = ", checked to the last byte" if deep else ""
    click.echo(f"{directory}: index {manifest.index_id}, {plural(manifest.num_shards, 'shard')}{checked}")
    click.echo(
        f"  documents  {manifest.num_documents:,}, {manifest.num_tokens:,} tokens of {manifest.token_width} bytes"
    )
    click.echo(f"  files      {_links(report.links)}")
    if report.counted:
        click.echo(f"  counted    tokens of {plural(len(report.counted), 'shard')}, which had no counts")
    if report.without_metadata:
        click.echo(f"  metadata   none in {plural(len(report.without_metadata), 'shard')}")
    click.echo(f"  begins     {visible(shorten(report.beginning, _BEGINNING_WIDTH))}")
    click.echo("  If that is no text, the tokenizer is another one than the index was built with.")


def _print_export(directory: Path, report: ExportReport, *, as_json: bool) -> None:
    if as_json:
        summary = {"directory": str(directory), **asdict(report), "stage_seconds": dict(report.stage_seconds)}
        click.echo(json.dumps(summary))
        return
    click.echo(f"{directory}: {_links(report.links)}")
    folders = ", ".join(map(repr, report.index_directories))
    click.echo(
        f"  open with  InfiniGramEngine(index_dir=[{folders}], version=4, token_dtype={report.token_type!r}, ...)"
    )


def _links(links: Mapping[Linked, int]) -> str:
    """Returns how files came to their places: ``12 hard links``, ``6 symbolic links``, ``12 copies``."""
    nouns: dict[Linked, str] = {"hard": "hard link", "symbolic": "symbolic link"}
    told = [plural(number, nouns[how]) for how, number in links.items() if how in nouns]
    if copies := links.get("copy", 0):
        told.append(f"{copies:,} {'copy' if copies == 1 else 'copies'}")
    return ", ".join(told) or "none, all were there"
