"""What to build: one frozen value, checked when it is made."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import suffix_engine
from index_format.layout import MAX_SHARDS
from indexing.errors import PlanError
from indexing.remote_path import Place, RemotePath
from indexing.sources import is_unicode

# A byte-level BPE starts from the 256 bytes.
_LEAST_VOCABULARY = 256
# Far more than models have. Each shard holds a count of 8 bytes an entry while it is written.
_MOST_VOCABULARY = 10_000_000
DEFAULT_VOCABULARY = 32_000
# More than cores in any machine: past it a mistyped number would only exhaust what the system has of threads.
MAX_THREADS = 1024
# A run of each is open while they are merged.
MAX_PARTS = suffix_engine.MAX_PARTS
MAX_WORKERS = 100_000


@dataclass(frozen=True, slots=True)
class TokenizerFile:
    """A ``tokenizer.json`` file of the `tokenizers` package."""

    path: Path


@dataclass(frozen=True, slots=True)
class HubTokenizer:
    """A tokenizer by its name on the Hugging Face hub; it is downloaded, or taken from the hub's local cache."""

    name: str


@dataclass(frozen=True, slots=True)
class TrainedTokenizer:
    """A byte-level BPE trained on the corpus itself. A small corpus gives fewer entries than ``vocab_size``."""

    vocab_size: int = DEFAULT_VOCABULARY

    def __post_init__(self) -> None:
        if not _LEAST_VOCABULARY <= self.vocab_size <= _MOST_VOCABULARY:
            raise PlanError(
                f"vocabulary of {self.vocab_size} to train, expected {_LEAST_VOCABULARY} (one entry a byte) "
                f"to {_MOST_VOCABULARY}"
            )


@dataclass(frozen=True, slots=True)
class RawBytes:
    """No tokenizer: one token a byte of the UTF-8 text."""


TokenizerChoice: TypeAlias = TokenizerFile | HubTokenizer | TrainedTokenizer | RawBytes


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPlan:
    """A corpus and the index to make of it.

    Attributes:
        sources: Files (JSON lines, Parquet, plain text, arrays of token ids; the first and third also packed) and
            folders of them, on this machine or on storage.
        output: Directory of the index; must not exist, or be empty, or hold this build unfinished.
        tokenizer: What turns text into tokens.
        shards: Number of shards; document i of the corpus, in reading order, goes to shard i % shards.
        text_field: Field of JSON lines and column of Parquet files that holds the text.
        metadata_fields: Other fields to keep with each document; None keeps all.
        ids_field: Column of Parquet files that holds the token ids of a document, to take in place of its text.
        document_separator: Id between the documents of arrays of token ids of one dimension (``.npy``).
        memory_bytes: Most memory that each process of the build may use; None takes 80 % of what is available.
        threads: Threads that sort and that compute checksums; 0 means one a core.
        parts: Parts that each shard is sorted in, merged afterwards; None takes as few as the memory allows.
        workers: Processes at work at a time; with more than one they are Ray's. 0 decides by corpus and cores.
        ray_address: A Ray cluster to work on; None starts Ray on this machine if there are to be several workers.
        work_dir: Folder for temporary files; None keeps them inside ``output``.
        upload_to: Folder on storage that the finished index is moved to from ``output``; None leaves it there.
        fresh: Begin anew where an unfinished build of ``output`` is found, whatever it was of.
        stage: Training stage that the documents belong to, a label.
        source: Name of the corpus, a label.
        skip_bad_lines: Leave out lines and rows that hold no usable document, and count them, instead of failing.
        accelerate: Build the sidecars, which make searches fast; `indexing.accelerate` adds them later, too.
    """

    sources: tuple[Place, ...]
    output: Path
    tokenizer: TokenizerChoice
    shards: int = 1
    text_field: str = "text"
    metadata_fields: tuple[str, ...] | None = None
    ids_field: str | None = None
    document_separator: int | None = None
    memory_bytes: int | None = None
    threads: int = 0
    parts: int | None = None
    workers: int = 0
    ray_address: str | None = None
    work_dir: Path | None = None
    upload_to: RemotePath | None = None
    fresh: bool = False
    stage: str = ""
    source: str = ""
    skip_bad_lines: bool = False
    accelerate: bool = True

    def __post_init__(self) -> None:
        if not self.sources:
            raise PlanError("no source given, expected at least one file or folder")
        if not 1 <= self.shards <= MAX_SHARDS:
            raise PlanError(f"{self.shards} shards, expected 1 to {MAX_SHARDS}")
        check_threads(self.threads)
        if self.parts is not None and not 1 <= self.parts <= MAX_PARTS:
            raise PlanError(f"{self.parts} parts a shard, expected 1 to {MAX_PARTS}")
        if not 0 <= self.workers <= MAX_WORKERS:
            raise PlanError(f"{self.workers} workers, expected 0 (as many as fit the corpus) to {MAX_WORKERS}")
        if self.memory_bytes is not None and self.memory_bytes <= 0:
            raise PlanError(f"memory of {self.memory_bytes} bytes, expected more than 0")
        for name, label in (("stage", self.stage), ("source", self.source)):
            if not is_unicode(label):
                raise PlanError(f"{name} {label!r} is not Unicode text, expected UTF-8")
        if self.document_separator is not None and self.document_separator < 0:
            raise PlanError(f"document separator {self.document_separator}, expected an id of 0 or more")
        if self.ids_field is not None and isinstance(self.tokenizer, TrainedTokenizer):
            raise PlanError(
                f"column {self.ids_field!r} holds token ids, and no tokenizer is named; name the one that made them"
            )
        if self.metadata_fields is not None and self.text_field in self.metadata_fields:
            raise PlanError(f"field {self.text_field!r} is the text, it cannot be metadata as well")


def check_threads(threads: int) -> None:
    """Checks a number of threads to start.

    Raises:
        PlanError: it is negative, or more than `MAX_THREADS`.
    """
    if not 0 <= threads <= MAX_THREADS:
        raise PlanError(f"{threads} threads, expected 0 (one a core) to {MAX_THREADS}")
