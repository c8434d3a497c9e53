"""The shared corpus at a tenth of its size and at ten times it, as indexes that are built once and kept."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console

from bench.acceleration import accelerated
from bench.corpus import KEPT, SHARED_DATA, indexed_corpus
from bench.synthetic import Tokens, sampled_corpus
from bench.token_index import index_tokens
from index_format.errors import IndexNotFoundError, ManifestError
from index_format.layout import TOKENIZED, shard_folder
from index_format.manifest import IndexManifest

_SEED = 1


def tenth_of_corpus(console: Console) -> Path:
    """Returns an index of every tenth document of the shared corpus."""
    return _kept("corpus-tenth", _every_tenth_document, console)


def tenfold_corpus(console: Console) -> Path:
    """Returns an index of ten times the tokens, sampled from the shared corpus (see `synthetic`)."""
    return _kept("corpus-tenfold", lambda tokens: sampled_corpus(tokens, 10 * len(tokens), _SEED), console)


def _kept(name: str, make: Callable[[Tokens], Tokens], console: Console) -> Path:
    directory = KEPT / name
    try:
        IndexManifest.load(directory).load_shards(directory)
    except (IndexNotFoundError, ManifestError):
        shutil.rmtree(directory, ignore_errors=True)
        with console.status(f"building {directory} (once; up to two minutes)"):
            corpus = np.fromfile(indexed_corpus(1, console) / shard_folder(0) / TOKENIZED, dtype=np.uint16)
            index_tokens(directory, make(corpus), SHARED_DATA / "tokenizers" / "llama-2.json", name)
    return accelerated(directory, console)


def _every_tenth_document(tokens: Tokens) -> Tokens:
    documents = np.cumsum(tokens == np.iinfo(tokens.dtype).max)
    chosen: Tokens = tokens[documents % 10 == 1]
    return chosen
