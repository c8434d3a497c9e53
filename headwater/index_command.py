"""``headwater index build|accelerate|verify|info``: make an index of a corpus, speed it up, check it, describe it."""

import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console

from headwater.build_progress import build_progress
from headwater.index_report import print_acceleration, print_build, print_index
from headwater.labels import plural
from headwater.plain_text import shorten, visible
from index_format.manifest import IndexManifest
from indexing import (
    BuildPlan,
    HubTokenizer,
    RawBytes,
    TokenizerChoice,
    TokenizerFile,
    TrainedTokenizer,
    accelerate,
    build,
    verify,
)
from indexing.errors import BadDocumentError, PlanError
from indexing.plan import DEFAULT_VOCABULARY, MAX_THREADS

_DECIMAL = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40}
_UNITS = _DECIMAL | _BINARY
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(|[kmgt]i?)b?", re.IGNORECASE)
_TOO_LARGE = 1 << 60
_PATH = click.Path(path_type=Path)
_THREADS = click.IntRange(min=0, max=MAX_THREADS)
_EXIT_TERMINATED = 128 + signal.SIGTERM


class _SizeType(click.ParamType[int]):
    """A number of bytes with an optional unit: ``500MB``, ``4GiB``, ``1.5g``."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        if (match := _SIZE.fullmatch(value.strip())) is None:
            self.fail(f"{value!r} is not a size; write a number and a unit, like 500MB or 4GiB", param, ctx)
        size = float(match[1]) * _UNITS[match[2].lower()]
        if size >= _TOO_LARGE:
            self.fail(
                f"{shorten(value, 40)!r} is more than any machine has; write a size like 500MB or 4GiB", param, ctx
            )
        return int(size)


@click.group()
def index() -> None:
    """Build, accelerate, verify and describe indexes."""


@index.command("build")
@click.argument("sources", nargs=-1, required=True, type=_PATH, metavar="SOURCE...")
@click.option("--out", required=True, type=_PATH, metavar="DIR", help="Directory of the index; must be new or empty.")
@click.option(
    "--shards", type=click.IntRange(min=1), default=1, show_default=True, metavar="N", help="Number of shards."
)
@click.option("--tokenizer", metavar="FILE|NAME", help="A tokenizer.json file, or a name on the Hugging Face hub.")
@click.option(
    "--train-tokenizer",
    type=int,
    metavar="VOCAB",
    help=f"Train a byte-level BPE of so many entries on the corpus; the default, with {DEFAULT_VOCABULARY}.",
)
@click.option("--raw-bytes", is_flag=True, help="No tokenizer: one token a byte.")
@click.option("--text-field", default="text", show_default=True, metavar="NAME", help="Field or column of the text.")
@click.option(
    "--metadata-field",
    "metadata_fields",
    multiple=True,
    metavar="NAME",
    help="Another field to keep with each document; repeat for more. Without it all are kept.",
)
@click.option(
    "--memory", type=_SizeType(), metavar="SIZE", help="Most memory for shards; 80 % of what is free if not given."
)
@click.option("--threads", type=_THREADS, default=0, metavar="N", help="Threads; one a core if not given.")
@click.option("--stage", default="", metavar="LABEL", help="Training stage of these documents, like 'pretraining'.")
@click.option("--source", default="", metavar="LABEL", help="Name of the corpus.")
@click.option(
    "--skip-bad-lines", is_flag=True, help="Leave out and count lines that hold no document, instead of failing."
)
@click.option(
    "--accelerate/--no-accelerate",
    default=True,
    help="Build the sidecars that make searches fast, or leave them out ('index accelerate' adds them later).",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def build_command(
    sources: tuple[Path, ...],
    out: Path,
    tokenizer: str | None,
    train_tokenizer: int | None,
    raw_bytes: bool,
    metadata_fields: tuple[str, ...],
    memory: int | None,
    as_json: bool,
    **rest: Any,
) -> None:
    """Build the index of a corpus.

    SOURCE is a file or a folder of files: JSON lines (.jsonl, .ndjson, .json), Parquet (.parquet), plain text (.txt,
    .md, .rst: a document a file). All but Parquet may be packed (.gz, .zst).

    Example: headwater index build corpus/ --out my-index --shards 4 --tokenizer tokenizer.json
    """
    try:
        plan = BuildPlan(
            sources=sources,
            output=out,
            tokenizer=_tokenizer_choice(tokenizer, train_tokenizer, raw_bytes=raw_bytes),
            metadata_fields=metadata_fields or None,
            memory_bytes=memory,
            **rest,
        )
    except PlanError as error:
        raise click.UsageError(str(error)) from error
    if plan.threads:
        # The tokenizers package reads it when it first encodes, and offers no other way.
        os.environ["RAYON_NUM_THREADS"] = str(plan.threads)
    console = Console(stderr=True)
    try:
        with _terminated_as_interrupted(), build_progress(console) as shown:
            manifest = build(plan, shown)
    except BadDocumentError as error:
        raise click.ClickException(f"{visible(str(error))}; --skip-bad-lines leaves such lines out") from error
    assert shown.report is not None, "a build that returns has reported"
    print_build(out, manifest, shown.report, as_json=as_json)


@index.command("accelerate")
@click.argument("directory", type=_PATH)
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
@click.option("--threads", type=_THREADS, default=0, metavar="N", help="Threads; one a core if not given.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def accelerate_command(
    directory: Path, shards: tuple[int, ...], force: bool, token_width: str | None, threads: int, as_json: bool
) -> None:
    """Add the sidecars that make searches fast.

    DIRECTORY is an index without them, infini-gram's own included. Nothing else of it changes, and it can be searched
    meanwhile. When the work is interrupted, the same command continues it.
    """
    with _terminated_as_interrupted(), build_progress(Console(stderr=True)) as shown:
        report = accelerate(
            directory,
            shown,
            token_width=None if token_width is None else int(token_width),
            shards=shards,
            force=force,
            threads=threads,
        )
    print_acceleration(directory, report, as_json=as_json)


@index.command("verify")
@click.argument("directory", type=_PATH)
@click.option("--threads", type=_THREADS, default=0, metavar="N", help="Threads; one a core if not given.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def verify_command(directory: Path, threads: int, as_json: bool) -> None:
    """Check a whole index, reading every byte: sizes, checksums, order of the suffixes, counts, metadata, sidecars."""
    with build_progress(Console(stderr=True)) as shown:
        manifest = verify(directory, shown, threads)
    if as_json:
        click.echo(json.dumps({"directory": str(directory), "verified": True, "manifest": asdict(manifest)}))
    else:
        held = f"{plural(manifest.num_shards, 'shard')}, {plural(manifest.num_tokens, 'token')}"
        click.echo(f"{directory}: index {manifest.index_id} is whole: {held}")


@index.command("info")
@click.argument("directory", type=_PATH)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def info_command(directory: Path, as_json: bool) -> None:
    """Say what an index holds. Reads the manifests and checks the sizes of files, not their content."""
    manifest = IndexManifest.load(directory)
    shards = manifest.load_shards(directory)
    print_index(manifest, shards, as_json=as_json)


def _tokenizer_choice(tokenizer: str | None, train_tokenizer: int | None, *, raw_bytes: bool) -> TokenizerChoice:
    if (tokenizer is not None) + (train_tokenizer is not None) + raw_bytes > 1:
        raise click.UsageError("Give one of --tokenizer, --train-tokenizer and --raw-bytes.")
    if tokenizer is not None:
        path = Path(tokenizer)
        is_path = path.exists() or path.suffix == ".json" or path.is_absolute() or tokenizer.startswith((".", "~"))
        return TokenizerFile(path) if is_path or tokenizer.count("/") > 1 else HubTokenizer(tokenizer)
    if raw_bytes:
        return RawBytes()
    return TrainedTokenizer() if train_tokenizer is None else TrainedTokenizer(train_tokenizer)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Lets SIGTERM end the body as Ctrl-C does, so that what it wrote is removed."""

    def end(number: int, frame: object) -> NoReturn:
        sys.exit(_EXIT_TERMINATED)

    previous = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
