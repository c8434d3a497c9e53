"""``headwater index add|remove|compact|merge-shards``: change what an index holds."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console

from headwater.build_progress import build_progress, format_seconds
from headwater.command_options import (
    METADATA_FIELD,
    PARTS,
    PATH,
    SKIP_BAD_LINES,
    TEXT_FIELD,
    json_option,
    memory_option,
    threads_option,
)
from headwater.embedded_takedowns import targets_in_force
from headwater.index_report import source_lines
from headwater.labels import plural
from headwater.place_type import PlaceType
from headwater.plain_text import visible
from headwater.termination import terminated_as_interrupted
from index_format.manifest import IndexManifest
from indexing import BuildPlan
from indexing.errors import BadDocumentError, PlanError
from indexing.living.add import AdditionReport, add_documents, tokenizer_choice_of
from indexing.living.compact import compact
from indexing.living.merge_shards import merge_shards
from indexing.living.remove import RemovalReport, remove_documents
from indexing.living.rewriting import Effort, RewriteReport
from indexing.living.selection import Condition
from indexing.plan import MAX_WORKERS
from indexing.remote_path import Place

_F = TypeVar("_F", bound=Callable[..., Any])


def _effort_options(command: _F) -> _F:
    """Adds the options of work that sorts shards."""
    options = (
        memory_option(),
        threads_option("Threads that sort"),
        PARTS,
        click.option(
            "--accelerate/--no-accelerate",
            default=None,
            help="Build the sidecars that make searches fast, or leave them out; if not given, as the index has them.",
        ),
        click.option("--fresh", is_flag=True, help="Begin anew where the same work is found unfinished."),
        json_option(),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command("add")
@click.argument("directory", type=PATH)
@click.argument("sources", nargs=-1, required=True, type=PlaceType(), metavar="SOURCE...")
@click.option(
    "--shards", type=click.IntRange(min=1), default=1, show_default=True, metavar="N", help="Number of new shards."
)
@TEXT_FIELD
@METADATA_FIELD
@click.option("--ids-field", metavar="NAME", help="Column of token ids (a list) in Parquet files, in place of text.")
@click.option(
    "--document-separator",
    type=click.IntRange(min=0),
    metavar="ID",
    help="Token id between the documents of .npy arrays of one dimension.",
)
@SKIP_BAD_LINES
@click.option(
    "--workers",
    type=click.IntRange(min=0, max=MAX_WORKERS),
    default=0,
    metavar="N",
    help="Processes at work at a time, on Ray if more than one; as for a build if not given.",
)
@click.option(
    "--ray-address", metavar="ADDRESS", help="Work on this Ray cluster, whose machines share the file system."
)
@click.option("--work-dir", type=PATH, metavar="DIR", help="Folder for temporary files.")
@_effort_options
def add_command(
    directory: Path,
    sources: tuple[Place, ...],
    metadata_fields: tuple[str, ...],
    accelerate: bool | None,
    as_json: bool,
    **rest: Any,
) -> None:
    """Add documents to an index, as new shards of it.

    SOURCE is what 'headwater index build' takes; the tokenizer is that of the index. Until the end the index is as it
    was, and can be searched. Then its manifest is replaced, which gives it another id: servers have to be started on it
    anew. When the work is interrupted, the same command continues it.

    Example: headwater index add my-index new-documents/
    """
    if accelerate is None:
        manifest = IndexManifest.load(directory)
        accelerate = all(shard.is_accelerated for shard in manifest.load_shards(directory, check_sidecars=False))
    try:
        plan = BuildPlan(
            sources=sources,
            output=directory,
            tokenizer=tokenizer_choice_of(directory),
            metadata_fields=metadata_fields or None,
            accelerate=accelerate,
            **rest,
        )
    except PlanError as error:
        raise click.UsageError(str(error)) from error
    try:
        with terminated_as_interrupted(), build_progress(Console(stderr=True)) as shown:
            report = add_documents(plan, shown)
    except BadDocumentError as error:
        raise click.ClickException(
            f"{visible(str(error))}; --skip-bad-lines leaves such lines out, and goes on with what is done"
        ) from error
    _print_addition(directory, report, as_json=as_json)


@click.command("remove")
@click.argument("directory", type=PATH)
@click.option(
    "--document", "documents", multiple=True, metavar="ID", help="A document, corpus:shard:number; repeat for more."
)
@click.option(
    "--ids-from",
    type=click.File("r", encoding="utf-8"),
    metavar="FILE",
    help="A file of ids, one a line; - for standard input.",
)
@click.option(
    "--where",
    "conditions",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Documents whose metadata has this value; given more than once, all must hold.",
)
@click.option(
    "--takedowns",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Documents that a coordinator's takedown file takes down.",
)
@click.option("--corpus", metavar="NAME", help="With --takedowns: what the corpus is called there. [default: any name]")
@click.option("--undo", is_flag=True, help="Take the marks back, of the documents named or of all.")
@click.option("--index-id", metavar="ID", help="Refuse if the index is another one than the ids were found in.")
@json_option()
def remove_command(
    directory: Path,
    documents: tuple[str, ...],
    ids_from: Any,
    conditions: tuple[str, ...],
    takedowns: Path | None,
    corpus: str | None,
    undo: bool,
    index_id: str | None,
    as_json: bool,
) -> None:
    """Mark documents of an index as removed.

    Whoever opens the index from then on does not find them; servers that have it open do, until they are started again.
    'headwater index compact' makes an index without them. --where looks for path, linenum, or the name of a field of
    the metadata (metadata.NAME for one called path or linenum).

    Example: headwater index remove my-index --where source=example.com

    Example: headwater index remove my-index --takedowns takedowns.json
    """
    ids = [*documents, *(line.strip() for line in ids_from or () if line.strip())]
    try:
        wanted = [Condition.parse(condition) for condition in conditions]
    except PlanError as error:
        raise click.UsageError(str(error)) from error
    if not ids and not wanted and takedowns is None and not undo:
        raise click.UsageError("Give --document, --ids-from, --where or --takedowns.")
    if corpus is not None and takedowns is None:
        raise click.UsageError("--corpus goes with --takedowns.")
    targets = targets_in_force(takedowns, directory, corpus) if takedowns is not None else []
    with terminated_as_interrupted(), build_progress(Console(stderr=True)) as shown:
        report = remove_documents(
            directory, shown, ids=ids, conditions=wanted, targets=targets, undo=undo, index_id=index_id
        )
    _print_removal(directory, report, undo=undo, as_json=as_json)


@click.command("compact")
@click.argument("directory", type=PATH)
@click.option(
    "--out", required=True, type=PATH, metavar="NEW", help="Directory of the new index; must be new or empty."
)
@_effort_options
def compact_command(directory: Path, out: Path, as_json: bool, **rest: Any) -> None:
    """Make an index without the documents that were removed.

    Shards that hold some are written anew, the others are linked. DIRECTORY is only read, and can be searched
    meanwhile. When the work is interrupted, the same command continues it.

    Example: headwater index compact my-index --out my-index-2
    """
    with terminated_as_interrupted(), build_progress(Console(stderr=True)) as shown:
        report = compact(directory, out, shown, Effort(**rest))
    _print_rewrite(out, report, as_json=as_json)


@click.command("merge-shards")
@click.argument("directory", type=PATH)
@click.option("--shards", required=True, type=click.IntRange(min=1), metavar="N", help="Number of shards to make.")
@click.option(
    "--out", required=True, type=PATH, metavar="NEW", help="Directory of the new index; must be new or empty."
)
@_effort_options
def merge_shards_command(directory: Path, shards: int, out: Path, as_json: bool, **rest: Any) -> None:
    """Make an index of the same documents in fewer shards, or more.

    Documents are dealt out anew in the order in which they were read, those removed are left out: the result is that of
    a build with so many shards. When the work is interrupted, the same command continues it.

    Example: headwater index merge-shards my-index --shards 2 --out my-index-2
    """
    with terminated_as_interrupted(), build_progress(Console(stderr=True)) as shown:
        report = merge_shards(directory, out, shards, shown, Effort(**rest))
    _print_rewrite(out, report, as_json=as_json)


def _heading(directory: Path, manifest: IndexManifest, seconds: Mapping[str, float]) -> str:
    taken = format_seconds(sum(seconds.values()))
    return f"{directory}: index {manifest.index_id}, generation {manifest.generation}, in {taken}"


def _print_addition(directory: Path, report: AdditionReport, *, as_json: bool) -> None:
    corpus, manifest = report.corpus, report.manifest
    seconds = dict(report.stage_seconds)
    if as_json:
        new_shards = list(report.new_shards)
        click.echo(
            json.dumps(
                {"directory": str(directory), **asdict(report), "new_shards": new_shards, "stage_seconds": seconds}
            )
        )
        return
    if report.was_published:
        click.echo(f"{directory}: these documents had been added already, before the last attempt ended")
    shards = plural(len(report.new_shards), "new shard")
    left_out = f"{plural(corpus.skipped_bad, 'bad line')}, {plural(corpus.skipped_empty, 'empty document')}"
    click.echo(_heading(directory, manifest, seconds))
    click.echo(f"  added      {plural(corpus.num_documents, 'document')} in {shards} (skipped: {left_out})")
    click.echo(f"  tokens     {corpus.num_tokens:,}, {manifest.num_tokens:,} in all")
    for line in source_lines(corpus.sources):
        click.echo(line)


def _print_removal(directory: Path, report: RemovalReport, *, undo: bool, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"directory": str(directory), "undo": undo, **asdict(report)}))
        return
    done = "no longer marked as removed" if undo else "marked as removed"
    click.echo(f"{directory}: {plural(report.changed, 'document')} {done}, of {report.named:,} named")
    if not report.named:
        click.echo("Warning: no document of this index is named", err=True)
    click.echo(
        f"  removed    {report.removed_documents:,} of {plural(report.num_documents, 'document')}, "
        f"generation {report.generation}"
    )
    if report.removed_documents:
        click.echo(
            "  Searches do not find them from the next opening on (start servers again, or use 'headwater takedown');\n"
            "  'headwater index compact' makes an index without them."
        )


def _print_rewrite(directory: Path, report: RewriteReport, *, as_json: bool) -> None:
    manifest, seconds = report.manifest, dict(report.stage_seconds)
    if as_json:
        summary = {"directory": str(directory), **asdict(report), "stage_seconds": seconds}
        click.echo(json.dumps(summary))
        return
    click.echo(_heading(directory, manifest, seconds))
    linked = f", {report.linked} linked" if report.linked else ""
    click.echo(f"  shards     {manifest.num_shards}: {report.rewritten} written{linked}")
    click.echo(
        f"  documents  {manifest.num_documents:,} ({report.left_out:,} left out), {manifest.num_tokens:,} tokens"
    )
