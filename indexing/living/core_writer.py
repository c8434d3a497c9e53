"""Writes the core files of a shard but for the table, out of documents that are tokenized already."""

from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from index_format.layout import METADATA, METAOFF, OFFSET, TOKENIZED, UNIGRAM
from index_format.manifest import flush_directory, write_durably
from indexing.assembling import WrittenShard
from indexing.durable_file import DurableFile
from indexing.token_counts import TokenCounts

Sizes = npt.NDArray[np.int64]

_OFFSET = np.dtype("<u8")


class CoreWriter:
    """Writes one shard, in pieces of any size. Close it with `finish`, or leave it with an error.

    What an earlier attempt left in the folder is replaced. The unigram counts are written last: a shard that has them
    is finished.
    """

    def __init__(self, folder: Path, number: int, *, token_width: int, vocab_size: int, has_metadata: bool):
        self._folder = folder
        self._number = number
        self._counts = TokenCounts(token_width, vocab_size)
        self._ends = {OFFSET: 0, METAOFF: 0}
        names = (TOKENIZED, OFFSET, METADATA, METAOFF) if has_metadata else (TOKENIZED, OFFSET)
        for name in (UNIGRAM, *names, METADATA, METAOFF):
            (folder / name).unlink(missing_ok=True)
        self._files = {name: DurableFile(folder / name) for name in names}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for file in self._files.values():
            file.close()

    def write_text(self, tokens: bytes) -> None:
        """Appends a piece of the text, a whole number of tokens, separators among them."""
        self._counts.add(tokens)
        self._files[TOKENIZED].write(tokens)

    def write_lines(self, lines: bytes) -> None:
        """Appends a piece of the metadata."""
        if METADATA in self._files:
            self._files[METADATA].write(lines)

    def add_documents(self, text_sizes: Sizes, line_sizes: Sizes) -> None:
        """Takes note of documents that follow those before: the bytes of each, its separator included, and its line."""
        for name, sizes in ((OFFSET, text_sizes), (METAOFF, line_sizes)):
            if name in self._files:
                ends = self._ends[name] + np.cumsum(sizes)
                self._files[name].write((ends - sizes).astype(_OFFSET).tobytes())
                self._ends[name] = int(ends[-1]) if len(ends) else self._ends[name]

    def finish(self) -> WrittenShard:
        """Flushes every file to disk, writes the unigram counts, and returns what the shard holds."""
        for file in self._files.values():
            file.flush_and_close()
        flush_directory(self._folder)
        write_durably(self._folder / UNIGRAM, self._counts.lines())
        return WrittenShard(self._folder, self._number, self._counts.num_tokens, self._counts.num_documents)
