"""``headwater index plan``: what a build will take, before there is a corpus or a machine."""

import json
import os
from dataclasses import asdict
from pathlib import Path

import click
import psutil

from headwater.build_progress import format_seconds
from headwater.command_options import PATH, json_option
from headwater.count_type import CountType
from headwater.labels import plural
from headwater.size_type import SizeType
from indexing.corpus_estimate import estimate_corpus
from indexing.disk_needs import format_bytes
from indexing.documents import DocumentFields
from indexing.plan import MAX_THREADS, BuildPlan, RawBytes, TokenizerFile
from indexing.progress import SilentProgress, Stages
from indexing.size_plan import CorpusSize, Machines, SizePlan, plan_size
from indexing.sources import find_corpus
from indexing.tokenizing import choose_tokenizer, encoder_of, token_width

_MEMORY_SHARE = 0.8


@click.command("plan")
@click.option("--tokens", type=CountType(), metavar="N", help="Tokens of the corpus: 30M, 500B, 4.6T.")
@click.option(
    "--token-width",
    type=click.Choice(["1", "2", "4"]),
    default="2",
    show_default=True,
    help="Bytes a token: 2 for a vocabulary of up to 65,535 entries, 4 for a larger one, 1 for raw bytes.",
)
@click.option("--documents", type=CountType(), metavar="N", help="Documents; one every 1,400 tokens if not given.")
@click.option(
    "--corpus",
    "sources",
    multiple=True,
    type=PATH,
    metavar="SOURCE",
    help="Instead of --tokens: look into these files and folders, as many as there are; repeat for more.",
)
@click.option("--tokenizer", type=PATH, metavar="FILE", help="With --corpus: its tokenizer.json.")
@click.option("--raw-bytes", is_flag=True, help="With --corpus: no tokenizer, one token a byte.")
@click.option(
    "--text-field", default="text", show_default=True, metavar="NAME", help="With --corpus: the text's field."
)
@click.option("--shards", type=click.IntRange(min=1), metavar="N", help="Shards; as many as advised if not given.")
@click.option(
    "--memory", type=SizeType(), metavar="SIZE", help="Memory of a node; 80 % of this machine's if not given."
)
@click.option(
    "--cores",
    type=click.IntRange(min=1, max=MAX_THREADS),
    metavar="N",
    help="Cores of a node; as many as this machine has if not given.",
)
@click.option("--nodes", type=click.IntRange(min=1), default=1, show_default=True, metavar="N", help="Machines.")
@click.option(
    "--duplicates",
    type=click.Choice(["low", "high"]),
    default="low",
    show_default=True,
    help="Whether most documents are there many times, which makes merging slower.",
)
@json_option("the plan")
def plan_command(
    tokens: int | None,
    token_width: str,
    documents: int | None,
    sources: tuple[Path, ...],
    tokenizer: Path | None,
    raw_bytes: bool,
    text_field: str,
    shards: int | None,
    memory: int | None,
    cores: int | None,
    nodes: int,
    duplicates: str,
    as_json: bool,
) -> None:
    """Say what a build takes: disk, memory, hours, shards. Nothing is written.

    Example: headwater index plan --tokens 4.6T --token-width 4 --nodes 12 --cores 96 --memory 700GB
    """
    if (tokens is None) == (not sources):
        raise click.UsageError("Give --tokens, or --corpus with --tokenizer or --raw-bytes.")
    machines = Machines(
        nodes=nodes,
        cores=cores or len(os.sched_getaffinity(0)),
        memory_bytes=memory or int(psutil.virtual_memory().total * _MEMORY_SHARE),
    )
    if tokens is not None:
        size = CorpusSize.of_tokens(tokens, int(token_width))
        if documents is not None:
            line_bytes = size.line_bytes // size.num_documents * documents
            size = CorpusSize(tokens + documents, int(token_width), documents, line_bytes)
    else:
        size = _size_of(sources, tokenizer, text_field, raw_bytes=raw_bytes)
    plan = plan_size(size, machines, shards, has_duplicates=duplicates == "high")
    if as_json:
        click.echo(json.dumps(asdict(plan)))
    else:
        for name, value in _rows(plan):
            click.echo(f"{name:<14}{value}")


def _size_of(sources: tuple[Path, ...], tokenizer: Path | None, text_field: str, *, raw_bytes: bool) -> CorpusSize:
    if (tokenizer is None) != raw_bytes:
        raise click.UsageError("With --corpus give one of --tokenizer FILE and --raw-bytes.")
    choice = RawBytes() if tokenizer is None else TokenizerFile(tokenizer)
    stages = Stages(SilentProgress())
    plan = BuildPlan(sources=sources, output=Path(), tokenizer=choice, text_field=text_field)
    corpus = find_corpus(plan.sources, lambda message: click.echo(message, err=True))
    chosen = choose_tokenizer(plan, corpus, stages)
    found = estimate_corpus(corpus, DocumentFields(text_field, None), encoder_of(chosen))
    click.echo(
        f"{format_bytes(corpus.size_bytes)} in {plural(len(corpus.files), 'file')}, of which "
        f"{format_bytes(found.sampled_text_bytes)} of text were looked at: about {found.num_tokens:,} tokens in "
        f"{plural(found.num_documents, 'document')}",
        err=True,
    )
    if found.num_documents == 0:
        raise click.ClickException("no document was found in the files that were looked at")
    return CorpusSize(
        found.num_tokens, token_width(chosen), found.num_documents, found.line_bytes, chosen.vocabulary.size
    )


def _rows(plan: SizePlan) -> list[tuple[str, str]]:
    corpus, machines = plan.corpus, plan.machines
    advised = "" if plan.shards == plan.advised_shards else f" ({plan.advised_shards:,} advised)"
    rows = [
        (
            "corpus",
            f"{corpus.num_tokens:,} tokens and separators of {plural(corpus.token_width, 'byte')}, "
            f"{plural(corpus.num_documents, 'document')}",
        ),
        (
            "machines",
            f"{plural(machines.nodes, 'node')} of {plural(machines.cores, 'core')} and "
            f"{format_bytes(machines.memory_bytes)} of memory",
        ),
        (
            "shards",
            f"{plan.shards:,}{advised} of {plan.shard_tokens:,} tokens, each sorted in {plural(plan.parts, 'part')}",
        ),
        (
            "index",
            f"{format_bytes(plan.index_bytes)}, {plan.index_bytes / corpus.num_tokens:.2f} bytes a token",
        ),
    ]
    rows += [("", f"{format_bytes(file.size_bytes):>10}  {file.name}") for file in plan.files if not file.is_temporary]
    rows += [("disk", f"{format_bytes(plan.peak_bytes)} at its fullest, {format_bytes(plan.node_peak_bytes)} a node")]
    rows += [
        ("", f"{format_bytes(file.size_bytes):>10}  {file.name}, temporary") for file in plan.files if file.is_temporary
    ]
    rows += [
        (
            "memory",
            f"{format_bytes(plan.sort_memory_bytes)} a node to sort, "
            + (f"{format_bytes(plan.merge_memory_bytes)} to merge with the text in memory, " if plan.parts > 1 else "")
            + f"{format_bytes(plan.serve_memory_bytes)} in all to serve",
        ),
        ("time", f"about {format_seconds(plan.hours * 3600)}"),
    ]
    rows += [
        ("", f"{format_seconds(stage.hours * 3600):>14}  {stage.stage}, as fast as the {stage.bound_by}")
        for stage in plan.stages
    ]
    rows += [("note", note) for note in plan.notes]
    rows.append(("rates", plan.rates.measured_on))
    return rows
