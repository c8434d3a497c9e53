"""``headwater index build``: make an index of a corpus."""

import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from headwater.build_progress import build_progress
from headwater.command_options import (
    METADATA_FIELD,
    PARTS,
    PATH,
    SKIP_BAD_LINES,
    SOURCE,
    STAGE,
    TEXT_FIELD,
    json_option,
    memory_option,
    threads_option,
)
from headwater.index_report import print_build
from headwater.place_type import PlaceType
from headwater.plain_text import visible
from headwater.termination import terminated_as_interrupted
from indexing import BuildPlan, HubTokenizer, RawBytes, TokenizerChoice, TokenizerFile, TrainedTokenizer, build
from indexing.errors import BadDocumentError, PlanError
from indexing.plan import DEFAULT_VOCABULARY, MAX_WORKERS
from indexing.remote_path import Place, RemotePath


@click.command("build")
@click.argument("sources", nargs=-1, required=True, type=PlaceType(), metavar="SOURCE...")
@click.option(
    "--out",
    required=True,
    type=PlaceType(),
    metavar="DIR|URL",
    help="Directory of the index: new, empty, or with this build unfinished. Or a folder on storage; see --work-dir.",
)
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
@TEXT_FIELD
@METADATA_FIELD
@click.option(
    "--ids-field",
    metavar="NAME",
    help="Column of Parquet files that holds token ids, to take in place of the text; needs the tokenizer of the ids.",
)
@click.option(
    "--document-separator",
    type=click.IntRange(min=0),
    metavar="ID",
    help="Id between the documents of .npy arrays of token ids of one dimension; in others a row is a document.",
)
@memory_option(
    " Shards that do not fit are sorted in parts. Processes side by side take no more together than the machine has."
)
@threads_option("Threads that sort")
@click.option(
    "--workers",
    type=click.IntRange(min=0, max=MAX_WORKERS),
    default=0,
    metavar="N",
    help="Processes at work at a time, on Ray if more than one. If not given: one for small corpora, else one a core.",
)
@click.option(
    "--ray-address",
    metavar="ADDRESS",
    help="Work on this Ray cluster ('auto', or HOST:PORT), whose machines share the file system. Without it Ray is "
    "started on this machine if there are several workers.",
)
@PARTS
@click.option(
    "--work-dir",
    type=PATH,
    metavar="DIR",
    help="Folder for temporary files, on a fast disk for instance; inside the index if not given. With a URL as --out "
    "the whole index is built there and then moved.",
)
@click.option("--fresh", is_flag=True, help="Begin anew where an unfinished build is found, whatever it was of.")
@STAGE
@SOURCE
@SKIP_BAD_LINES
@click.option(
    "--accelerate/--no-accelerate",
    default=True,
    help="Build the sidecars that make searches fast, or leave them out ('index accelerate' adds them later).",
)
@json_option()
def build_command(
    sources: tuple[Place, ...],
    out: Place,
    tokenizer: str | None,
    train_tokenizer: int | None,
    raw_bytes: bool,
    metadata_fields: tuple[str, ...],
    work_dir: Path | None,
    as_json: bool,
    **rest: Any,
) -> None:
    """Build the index of a corpus.

    SOURCE is a file or a folder of files: JSON lines (.jsonl, .ndjson, .json), Parquet (.parquet), plain text (.txt,
    .md, .rst: a document a file), arrays of token ids (.npy). Text may be packed (.gz, .zst). Files and folders on
    storage are named by URL (s3://bucket/corpus/).

    When the work is interrupted, however that happens, the same command continues it.

    Example: headwater index build corpus/ --out my-index --shards 4 --tokenizer tokenizer.json
    """
    try:
        output, upload_to = _output_of(out, work_dir)
        plan = BuildPlan(
            sources=sources,
            output=output,
            upload_to=upload_to,
            work_dir=None if upload_to is not None else work_dir,
            tokenizer=_tokenizer_choice(tokenizer, train_tokenizer, raw_bytes=raw_bytes),
            metadata_fields=metadata_fields or None,
            **rest,
        )
    except PlanError as error:
        raise click.UsageError(str(error)) from error
    if plan.threads:
        # The tokenizers package reads it when it first encodes, and offers no other way.
        os.environ["RAYON_NUM_THREADS"] = str(plan.threads)
    console = Console(stderr=True)
    try:
        # What Ray has to say it prints on standard output, which is for the result.
        with terminated_as_interrupted(), redirect_stdout(sys.stderr), build_progress(console) as shown:
            manifest = build(plan, shown)
    except BadDocumentError as error:
        raise click.ClickException(
            f"{visible(str(error))}; --skip-bad-lines leaves such lines out, and goes on with what is done"
        ) from error
    assert shown.report is not None, "a build that returns has reported"
    print_build(str(out), manifest, shown.report, as_json=as_json)


def _output_of(out: Place, work_dir: Path | None) -> tuple[Path, RemotePath | None]:
    """Returns where an index is built, and where it is moved to from there, if it is."""
    if isinstance(out, Path):
        return out, None
    if work_dir is None:
        raise click.UsageError("Give --work-dir, a folder where the index is built before it is moved to the URL.")
    return work_dir / (out.name or "index"), out


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
