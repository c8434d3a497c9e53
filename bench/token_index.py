"""Writes an index of tokens that are there already, by the steps of an ordinary build."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

import indexing
from bench.shard_writer import ShardWriter
from index_format.layout import check_path_name
from index_format.manifest import IndexManifest
from index_format.tokenizer import JsonTokenizer
from indexing.assembling import WrittenShard
from indexing.budget import memory_budget
from indexing.build_journal import BuildJournal
from indexing.building import Building, finish_shards
from indexing.local_tasks import LocalTasks
from indexing.output import build_directory
from indexing.progress import SilentProgress, Stages
from indexing.publishing import publish_index
from indexing.sources import Corpus

_UNCOUNTED_TOKENS = 1 << 21


def index_tokens(
    directory: Path, tokens: npt.NDArray[np.unsignedinteger], tokenizer_file: Path, source: str
) -> IndexManifest:
    """Builds an index of one shard in ``directory``, which must not exist, and returns its manifest.

    Args:
        directory: Where it goes.
        tokens: The corpus in the format's layout: a separator, the largest id, before each document.
        tokenizer_file: What the tokens are of.
        source: Label of the corpus.
    """
    check_path_name(directory)
    tokenizer = JsonTokenizer.from_file(tokenizer_file)
    plan = indexing.BuildPlan(
        sources=(tokenizer_file.parent,),
        output=directory,
        tokenizer=indexing.TokenizerFile(tokenizer_file),
        source=source,
        accelerate=False,
    )
    width = tokens.dtype.itemsize
    with build_directory(directory, BuildJournal.of(plan, Corpus(())), lambda message: None) as build:
        stages = Stages(SilentProgress())
        building = Building(build, LocalTasks(), stages, memory_budget(None), accelerate=plan.accelerate)
        written = _write(build.shard(0), tokens, tokenizer.vocabulary.size)
        shards = finish_shards([written], width, tokenizer.sha256, building)
        manifest = publish_index(plan, shards, tokenizer, width)
        build.finish()
    return manifest


def _write(folder: Path, tokens: npt.NDArray[np.unsignedinteger], vocab_size: int) -> WrittenShard:
    separators = np.flatnonzero(tokens == np.iinfo(tokens.dtype).max)
    ends = np.append(separators[1:], len(tokens))
    with ShardWriter(
        folder, token_width=tokens.dtype.itemsize, vocab_size=vocab_size, most_uncounted=_UNCOUNTED_TOKENS
    ) as writer:
        for number, (separator, end) in enumerate(zip(separators.tolist(), ends.tolist(), strict=True)):
            if separator + 1 < end:  # a document without a token holds nothing
                document = tokens[separator + 1 : end].astype(np.uint32)
                writer.write(document, f'{{"path": "made", "linenum": {number}, "metadata": {{}}}}')
        writer.finish()
    return WrittenShard(folder, 0, writer.num_tokens, writer.num_documents)
