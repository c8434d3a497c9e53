"""infini-gram 2.6.0 as the tests drive it: its engine on a folder, its indexer on tokens written by hand."""

import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests import oracle
from tests.tiny_index import write_shard

pytest.importorskip("infini_gram", reason="needs infini-gram: install the project with its 'bench' extra")

_TYPE_NAMES = {1: "u8", 2: "u16", 4: "u32"}
# Its suffix sorter keeps a bucket of 8 bytes for every possible token.
_SORTER_BYTES = {width: 8 * 256**width for width in _TYPE_NAMES}


@dataclass(frozen=True, slots=True)
class Span:
    """One of the maximal spans that infini-gram's ``attribute`` returns."""

    start: int
    end: int
    count: int
    unigram_logprob_sum: float


class Engine:
    """infini-gram's engine, set up as OLMoTrace sets it up, on one folder a shard."""

    def __init__(self, folders: Sequence[Path], width: int, word_starts: Path | None = None) -> None:
        from infini_gram.engine import InfiniGramEngine

        separator = oracle.separator(width)
        self.engine: Any = InfiniGramEngine(
            index_dir=[str(folder) for folder in folders],
            eos_token_id=0,
            vocab_size=separator,
            version=4,
            token_dtype=_TYPE_NAMES[width],
            ds_prefetch_depth=0,
            sa_prefetch_depth=0,
            od_prefetch_depth=0,
            bow_ids_path=None if word_starts is None else str(word_starts),
            attribution_block_size=256,
            precompute_unigram_logprobs=True,
        )

    def find(self, tokens: Sequence[int]) -> list[tuple[int, int]]:
        """Returns the rank interval in every shard; an empty one may be anywhere."""
        found = self.engine.find(list(tokens))
        assert found["cnt"] == sum(end - start for start, end in found["segment_by_shard"])
        return [(start, end) for start, end in found["segment_by_shard"]]

    def attribute(self, tokens: Sequence[int], delimiters: Sequence[int]) -> list[Span]:
        """Returns the maximal spans, as OLMoTrace asks for them."""
        found = self.engine.attribute(
            list(tokens), delim_ids=list(delimiters), min_len=1, max_cnt=1_000_000, enforce_bow=True
        )
        return [Span(s["l"], s["r"], s["count"], s["unigram_logprob_sum"]) for s in found["spans"]]


def build_shard(folder: Path, documents: Sequence[oracle.Document], width: int) -> Path:
    """Has infini-gram's indexer sort a shard.

    Its first step would load a tokenizer from the network, but it skips that step if the text is there: so
    text and offsets are written by hand, and the indexer runs its suffix array step on them, on one CPU
    (with more, its merge goes wrong on texts under 100,000 bytes).
    """
    if psutil.virtual_memory().total < 1.2 * _SORTER_BYTES[width]:
        pytest.skip(f"infini-gram's indexer needs {_SORTER_BYTES[width] >> 30} GiB for {_TYPE_NAMES[width]} tokens")
    write_shard(folder, documents, width, sort=False)
    open_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    command = [sys.executable, "-m", "infini_gram.indexing", "--cpus", "1", "--mem", "1"]
    command += ["--token_dtype", _TYPE_NAMES[width], "--ulimit", str(open_files)]
    for name in ("data_dir", "save_dir", "temp_dir"):
        command += [f"--{name}", str(folder)]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "TQDM_DISABLE": "1"})
    return folder
