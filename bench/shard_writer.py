"""Writes the core files of a shard except the table: text, document starts, metadata, unigram counts."""

import struct
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from index_format.layout import METADATA, METAOFF, OFFSET, TOKENIZED, UNIGRAM
from index_format.manifest import flush_directory, write_durably
from index_format.tokenizer import TokenIds
from indexing.durable_file import DurableFile
from indexing.token_types import TOKEN_TYPES, separator_id

_U64 = struct.Struct("<Q")


class ShardWriter:
    """Writes the documents of one shard in the order they come. Close it with `finish`, or leave it with an error.

    Tokens are counted together, ``most_uncounted`` or more of them: counting each document alone would cost more.
    """

    def __init__(self, directory: Path, *, token_width: int, vocab_size: int, most_uncounted: int):
        self.directory = directory
        self.num_documents = 0
        self.num_tokens = 0
        self._token_type = TOKEN_TYPES[token_width]
        self._separator = np.array([separator_id(token_width)], dtype=self._token_type).tobytes()
        self._counts = np.zeros(vocab_size, dtype=np.int64)
        self._uncounted: list[TokenIds] = []
        self._num_uncounted = 0
        self._most_uncounted = most_uncounted
        self._metadata_bytes = 0
        names = (TOKENIZED, OFFSET, METADATA, METAOFF)
        self._text, self._offset, self._metadata, self._metaoff = (DurableFile(directory / name) for name in names)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for file in (self._text, self._offset, self._metadata, self._metaoff):
            file.close()

    def write(self, token_ids: TokenIds, metadata_line: str) -> None:
        """Appends one document: its tokens, each < vocab_size, and its metadata line, ASCII without its newline."""
        self._offset.write(_U64.pack(self.num_tokens * self._token_type.itemsize))
        self._text.write(self._separator)
        self._text.write(token_ids.astype(self._token_type).tobytes())
        line = metadata_line.encode("ascii") + b"\n"
        self._metaoff.write(_U64.pack(self._metadata_bytes))
        self._metadata.write(line)
        self._metadata_bytes += len(line)
        self.num_documents += 1
        self.num_tokens += len(token_ids) + 1
        self._uncounted.append(token_ids)
        self._num_uncounted += len(token_ids)
        if self._num_uncounted >= self._most_uncounted:
            self._count()

    def finish(self) -> None:
        """Writes the unigram counts and flushes every file to disk."""
        self._count()
        write_durably(self.directory / UNIGRAM, self._unigram_lines())
        for file in (self._text, self._offset, self._metadata, self._metaoff):
            file.flush_and_close()
        flush_directory(self.directory)

    def _count(self) -> None:
        if not self._uncounted:
            return
        token_ids = np.concatenate(self._uncounted)
        if len(token_ids) < len(self._counts):
            present, counts = np.unique(token_ids, return_counts=True)
            self._counts[present] += counts
        else:
            self._counts += np.bincount(token_ids, minlength=len(self._counts))
        self._uncounted = []
        self._num_uncounted = 0

    def _unigram_lines(self) -> bytes:
        present: npt.NDArray[np.intp] = np.flatnonzero(self._counts)
        lines = [f"{token_id} {self._counts[token_id]}\n" for token_id in present]
        lines.append(f"{int.from_bytes(self._separator, 'little')} {self.num_documents}\n")
        return "".join(lines).encode()
