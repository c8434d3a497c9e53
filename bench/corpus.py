"""The shared corpus as an index, built once and kept under ``.bench/``; and where its reference results are."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

import indexing
from bench.acceleration import accelerated
from bench.errors import BenchError
from index_format.errors import IndexNotFoundError, ManifestError
from index_format.manifest import IndexManifest

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED_DATA = REPOSITORY.parent / "shared" / "data"
KEPT = REPOSITORY / ".bench"

# What the reference results were made on: Llama-2 tokens and one separator a document, whatever the shards.
_CORPUS_TOKENS = 29_809_546
_CORPUS_DOCUMENTS = 18_930


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a bench runs on.

    Attributes:
        directories: The indexes, largest number of documents a shard first.
        conversations: JSONL file of prompts and answers.
        reference: Reference spans of the shared corpus, or None for an index of the caller's.
        scratch: Folder for files that a bench writes.
    """

    directories: tuple[Path, ...]
    conversations: Path
    reference: Path | None
    scratch: Path


def inputs(index: Path | None, conversations: Path | None, shards: tuple[int, ...], console: Console) -> Inputs:
    """Returns the caller's index and conversations, or the shared corpus over each number of ``shards``.

    Raises:
        BenchError: only one of the two was given, or the shared data is absent.
    """
    KEPT.mkdir(exist_ok=True)
    if index is not None and conversations is not None:
        return Inputs((index,), conversations, None, KEPT)
    if index is not None or conversations is not None:
        raise BenchError("--index and --conversations belong together; give both, or neither for the shared corpus")
    if not SHARED_DATA.is_dir():
        raise BenchError(f"{SHARED_DATA}: no shared corpus here; name an index with --index and --conversations")
    directories = tuple(indexed_corpus(number, console) for number in shards)
    return Inputs(directories, SHARED_DATA / "conversations.jsonl", SHARED_DATA / "reference" / "spans.jsonl", KEPT)


def indexed_corpus(num_shards: int, console: Console) -> Path:
    """Returns the accelerated index of the shared corpus over ``num_shards`` shards, building what is not there yet."""
    directory = KEPT / f"corpus-{num_shards}"
    try:
        manifest = IndexManifest.load(directory)
        manifest.load_shards(directory)
    except (IndexNotFoundError, ManifestError):
        shutil.rmtree(directory, ignore_errors=True)
        manifest = _build(directory, num_shards, console)
    found = (manifest.num_tokens, manifest.num_documents, manifest.num_shards)
    if found != (_CORPUS_TOKENS, _CORPUS_DOCUMENTS, num_shards):
        raise BenchError(
            f"{directory}: {found[0]} tokens in {found[1]} documents and {found[2]} shards, "
            f"expected {_CORPUS_TOKENS} in {_CORPUS_DOCUMENTS} and {num_shards}; remove it to build it again"
        )
    return accelerated(directory, console)


def _build(directory: Path, num_shards: int, console: Console) -> IndexManifest:
    plan = indexing.BuildPlan(
        sources=(SHARED_DATA / "corpus.jsonl.zst",),
        output=directory,
        tokenizer=indexing.TokenizerFile(SHARED_DATA / "tokenizers" / "llama-2.json"),
        shards=num_shards,
        source="shared corpus",
    )
    with console.status(f"indexing the shared corpus over {num_shards} shards (kept in {KEPT})"):
        indexing.build(plan, indexing.SilentProgress())
    return IndexManifest.load(directory)
