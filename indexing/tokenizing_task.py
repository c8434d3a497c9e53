"""Tokenizes one split into a chunk: a pure function of its arguments, so it can run anywhere and again."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np

from index_format.manifest import flush_directory
from index_format.tokenizer import ByteTokenizer, JsonTokenizer, TokenIds, Tokenizer
from indexing.chunk_writer import ChunkWriter
from indexing.chunks import Chunk, SourceCounts
from indexing.documents import BadDocuments, Document, DocumentFields
from indexing.piece_encoder import DEFAULT_MEMORY_BYTES
from indexing.reading import read_part
from indexing.splits import Split
from indexing.tokenizing import encoder_of

# Held in memory at a time, some twenty times over while it is encoded.
_BATCH_CHARACTERS = 1 << 20
_BATCH_DOCUMENTS = 4096
# What a process takes besides the words that it remembers: measured with Llama-2's and dolma2's tokenizers.
_OTHER_BYTES = 200 << 20
_LEAST_REMEMBERED_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Tokenizing:
    """How to tokenize, the same for every split of a build.

    Attributes:
        tokenizer: The ``tokenizer.json``; None for raw bytes.
        token_width: Bytes a token.
        num_shards: Number of shards that documents are dealt out to.
        fields: Where text and metadata are.
        skip_bad_lines: Leave out and count what holds no document, instead of failing.
        one_core: Encode on one core, for workers side by side; else on all.
        memory_bytes: What the process may take; more than the least makes it remember more words.
    """

    tokenizer: Path | None
    token_width: int
    num_shards: int
    fields: DocumentFields
    skip_bad_lines: bool = False
    one_core: bool = False
    memory_bytes: int = 300 << 20

    @property
    def remembered_bytes(self) -> int:
        """Memory for words and their tokens."""
        return min(DEFAULT_MEMORY_BYTES, max(_LEAST_REMEMBERED_BYTES, self.memory_bytes - _OTHER_BYTES))


def tokenize_split(
    split: Split, how: Tokenizing, folder: Path, read: Callable[[int], None] = lambda size: None
) -> Chunk:
    """Writes the chunk of a split into ``folder`` and returns what it holds; ``read`` is told the bytes read.

    A finished chunk is left as it is, an unfinished one begun anew. A document without a token can hold no span, so it
    is left out and counted.

    Raises:
        SourceError: see `reading.read_documents`.
        OSError: the chunk cannot be written.
    """
    if (finished := Chunk.load(folder)) is not None:
        read(split.size_bytes)
        return finished
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    flush_directory(folder.parent)
    if how.one_core:
        # The package reads it at every call, and offers no other way.
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
    reading = _Reading(split, how, read)
    encoding = _encoding_of(how)
    with ChunkWriter(folder, token_width=how.token_width, num_shards=how.num_shards) as writer:
        for batch in reading.batches():
            token_ids = encoding.token_ids([document for _, document in batch])
            kept = [number for number, ids in enumerate(token_ids) if len(ids)]
            writer.write([token_ids[n] for n in kept], [batch[n][1].metadata_line for n in kept])
            reading.count(batch, token_ids, encoding)
        return writer.finish(reading.bad_examples, reading.counts)


class _Reading:
    """Reads the parts of a split one after another, and counts what comes of each file."""

    def __init__(self, split: Split, how: Tokenizing, read: Callable[[int], None]):
        self._parts = split.files
        self._fields = how.fields
        self._read = read
        self._bad = [BadDocuments(skip=how.skip_bad_lines) for _ in split.files]
        # Documents, tokens and bytes of text kept, and documents left out, of each part.
        self._counts = [[0, 0, 0, 0] for _ in split.files]

    def batches(self) -> Iterator[list[tuple[int, Document]]]:
        """Yields documents, each with the number of its part, in lists of bounded length."""
        documents = self._documents()
        while batch := list(islice(_until_full(documents), _BATCH_DOCUMENTS)):
            yield batch

    def count(self, batch: list[tuple[int, Document]], token_ids: list[TokenIds], encoding: "_Encoding") -> None:
        """Adds a batch to the counts of its files."""
        for (part, document), ids in zip(batch, token_ids, strict=True):
            counts = self._counts[part]
            if len(ids) == 0:
                counts[3] += 1
                continue
            counts[0] += 1
            counts[1] += len(ids) + 1
            counts[2] += document.text_bytes or encoding.text_bytes(ids)

    @property
    def counts(self) -> list[SourceCounts]:
        """Returns what was read of each file."""
        return [
            SourceCounts(part.file.name, kept, tokens, text_bytes, empty, bad.count)
            for part, (kept, tokens, text_bytes, empty), bad in zip(self._parts, self._counts, self._bad, strict=True)
        ]

    @property
    def bad_examples(self) -> list[str]:
        """Returns the first messages about what was left out."""
        return [example for bad in self._bad for example in bad.examples][:3]

    def _documents(self) -> Iterator[tuple[int, Document]]:
        for number, (part, bad) in enumerate(zip(self._parts, self._bad, strict=True)):
            for document in read_part(part, self._fields, bad, self._read):
                yield number, document


def _until_full(documents: Iterator[tuple[int, Document]]) -> Iterator[tuple[int, Document]]:
    characters = 0
    for number, document in documents:
        characters += document.length
        yield number, document
        if characters >= _BATCH_CHARACTERS:
            return


class _Encoding:
    """Gives the tokens of documents."""

    def __init__(self, tokenizer: Tokenizer, remembered_bytes: int):
        self._encoder = encoder_of(tokenizer, remembered_bytes)
        self._piece_bytes = np.fromiter(map(len, tokenizer.vocabulary.pieces), dtype=np.int64)

    def token_ids(self, documents: Sequence[Document]) -> list[TokenIds]:
        """Returns the tokens of each document: those that it came with, or those of its text."""
        encoded = iter(self._encoder.encode_batch([one.text for one in documents if one.token_ids is None]))
        return [next(encoded) if one.token_ids is None else one.token_ids for one in documents]

    def text_bytes(self, token_ids: TokenIds) -> int:
        """Returns the bytes of text that tokens stand for."""
        return int(self._piece_bytes[token_ids].sum())


def _encoding_of(how: Tokenizing) -> _Encoding:
    """Returns what encodes; a process that tokenizes many splits loads the tokenizer once."""
    if how.tokenizer is None:
        return _Encoding(ByteTokenizer(), 0)
    status = how.tokenizer.stat()
    return _load(how.tokenizer, how.remembered_bytes, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=1)
def _load(path: Path, remembered_bytes: int, size_bytes: int, mtime_ns: int) -> _Encoding:
    del size_bytes, mtime_ns  # they tell apart files that were at the same path
    return _Encoding(JsonTokenizer.from_file(path), remembered_bytes)
