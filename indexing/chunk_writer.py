"""Writes the documents of a chunk as they are tokenized, and lays them out for the shards at the end."""

import mmap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from index_format.tokenizer import TokenIds
from indexing.chunks import LINE_STARTS, LINES, STARTS, TEXT, Chunk, SourceCounts
from indexing.durable_file import DurableFile
from indexing.token_types import TOKEN_TYPES, separator_id

Offsets = npt.NDArray[np.uint64]

_OFFSET_TYPE = np.dtype("<u8")
# Documents of a group are brought together in blocks of so many bytes, or of one document that is longer.
_BLOCK_BYTES = 4 << 20
_UNORDERED = ".unordered"


class ChunkWriter:
    """Writes a chunk into an empty folder. Close it with `finish`, or leave it with an error."""

    def __init__(self, folder: Path, *, token_width: int, num_shards: int):
        self._folder = folder
        self._token_type = TOKEN_TYPES[token_width]
        self._separator = np.array([separator_id(token_width)], dtype=self._token_type)
        self._num_shards = num_shards
        suffix = "" if num_shards == 1 else _UNORDERED
        self._text, self._lines = (DurableFile(folder / (name + suffix)) for name in (TEXT, LINES))
        self._sizes: dict[str, list[npt.NDArray[np.int64]]] = {TEXT: [], LINES: []}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._text.close()
        self._lines.close()

    def write(self, token_ids: Sequence[TokenIds], metadata_lines: Sequence[str]) -> None:
        """Appends documents: the tokens of each, and its metadata line, ASCII without its newline."""
        if not token_ids:
            return
        parts: list[npt.NDArray[np.unsignedinteger]] = []
        for ids in token_ids:
            parts += (self._separator, ids)
        self._text.write(np.concatenate(parts, dtype=self._token_type, casting="unsafe").data)
        self._lines.write(("\n".join(metadata_lines) + "\n").encode("ascii"))
        self._sizes[TEXT].append((_lengths(token_ids) + 1) * self._token_type.itemsize)
        self._sizes[LINES].append(_lengths(metadata_lines) + 1)

    def finish(self, bad_examples: Sequence[str], sources: Sequence[SourceCounts]) -> Chunk:
        """Lays the documents out in groups, flushes everything to disk, and marks the chunk as finished."""
        text_sizes, line_sizes = (
            np.concatenate(sizes) if sizes else np.zeros(0, dtype=np.int64) for sizes in self._sizes.values()
        )
        self._text.flush_and_close()
        self._lines.flush_and_close()
        order = np.argsort(np.arange(len(text_sizes)) % self._num_shards, kind="stable")
        for name, sizes in ((TEXT, text_sizes), (LINES, line_sizes)):
            if self._num_shards > 1:
                _rearrange(self._folder / (name + _UNORDERED), self._folder / name, sizes, order)
        for name, sizes in ((STARTS, text_sizes), (LINE_STARTS, line_sizes)):
            _write_durably(self._folder / name, [starts_of(sizes[order]).data])
        chunk = Chunk(
            num_shards=self._num_shards,
            num_documents=len(text_sizes),
            num_tokens=int(text_sizes.sum()) // self._token_type.itemsize,
            token_width=self._token_type.itemsize,
            line_bytes=int(line_sizes.sum()),
            bad_examples=tuple(bad_examples),
            sources=tuple(sources),
        )
        chunk.finish(self._folder)
        return chunk


def starts_of(sizes: npt.NDArray[np.int64]) -> Offsets:
    """Returns where each of some things begins that follow one another."""
    return (np.cumsum(sizes) - sizes).astype(_OFFSET_TYPE)


def _lengths(things: Sequence[TokenIds] | Sequence[str]) -> npt.NDArray[np.int64]:
    return np.fromiter(map(len, things), dtype=np.int64, count=len(things))


def _rearrange(source: Path, target: Path, sizes: npt.NDArray[np.int64], order: npt.NDArray[np.intp]) -> None:
    """Writes the pieces of ``source``, of these sizes, to ``target`` in another order, and removes ``source``."""
    if len(sizes):
        starts = starts_of(sizes).astype(np.int64)[order]
        with source.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as content:
            _write_durably(target, _blocks(content, starts, sizes[order]))
    else:
        _write_durably(target, [])
    source.unlink()


def _blocks(content: mmap.mmap, starts: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64]) -> Iterator[bytes]:
    ends = np.cumsum(sizes)
    first = 0
    while first < len(sizes):
        done = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(ends, done + _BLOCK_BYTES, side="right")))
        ranges = zip(starts[first:last].tolist(), sizes[first:last].tolist(), strict=True)
        yield b"".join([content[start : start + size] for start, size in ranges])
        first = last


def _write_durably(path: Path, blocks: Iterable[bytes | memoryview]) -> None:
    file = DurableFile(path)
    try:
        for block in blocks:
            file.write(block)
        file.flush_and_close()
    finally:
        file.close()
