"""Assembles the core files of a shard, but for the table, out of its groups in all chunks."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from index_format.layout import METADATA, METAOFF, OFFSET, TOKENIZED, UNIGRAM
from index_format.manifest import flush_directory, write_durably
from indexing.chunks import LINE_STARTS, LINES, STARTS, TEXT, Chunk
from indexing.durable_file import DurableFile
from indexing.token_counts import TokenCounts

_COPIED = {TEXT: TOKENIZED, LINES: METADATA}
_SHIFTED = {STARTS: OFFSET, LINE_STARTS: METAOFF}
_OFFSET_TYPE = np.dtype("<u8")
_BLOCK_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class WrittenShard:
    """A shard whose core files, but for the table, are in ``directory``."""

    directory: Path
    number: int
    num_tokens: int
    num_documents: int


def assembling_memory_bytes(vocab_size: int) -> int:
    """Returns about the memory that assembling a shard holds."""
    return 8 * vocab_size + 8 * _BLOCK_BYTES


def assemble_shard(
    chunks: Sequence[Path],
    shard: int,
    num_shards: int,
    folder: Path,
    token_width: int,
    vocab_size: int,
    copied: Callable[[int], None] = lambda size: None,
) -> WrittenShard:
    """Writes the core files of a shard, but for the table, into ``folder`` and returns what they hold.

    Document i of the corpus, of those that are kept, is in shard i % num_shards. A shard that has its unigram counts,
    which are written last, is left as it is; any other is begun anew.

    Args:
        chunks: Folders of the finished chunks of all splits, in the order of the splits.
        shard: Number of the shard.
        num_shards: Number of shards, as the chunks were laid out for.
        folder: Folder of the shard; exists.
        token_width: Bytes a token.
        vocab_size: Entries of the vocabulary.
        copied: Told the bytes of text and of metadata that are written.

    Cost: one read of the shard's part of every chunk and one write, in `assembling_memory_bytes` of memory.
    """
    held = _groups_of(chunks, shard, num_shards)
    num_documents = sum(len(group.documents) for group in held)
    if (folder / UNIGRAM).exists():
        return WrittenShard(folder, shard, (folder / TOKENIZED).stat().st_size // token_width, num_documents)
    for name in (*_COPIED.values(), *_SHIFTED.values()):
        (folder / name).unlink(missing_ok=True)
    counts = TokenCounts(token_width, vocab_size)
    text = (block for group in held for block in group.copied(TEXT, STARTS))
    _write(folder / TOKENIZED, _counted(text, counts), copied)
    _write(folder / METADATA, (block for group in held for block in group.copied(LINES, LINE_STARTS)), copied)
    for name, target in _SHIFTED.items():
        _write(folder / target, _shifted(held, name))
    flush_directory(folder)
    write_durably(folder / UNIGRAM, counts.lines())
    return WrittenShard(folder, shard, counts.num_tokens, num_documents)


@dataclass(frozen=True, slots=True)
class _Group:
    """The documents of one shard in one chunk: a range of them, as the chunk has them in order."""

    folder: Path
    chunk: Chunk
    documents: range

    def copied(self, name: str, starts_name: str) -> Iterator[bytes]:
        """Yields the group's range of a file, in blocks of whole tokens."""
        with (self.folder / name).open("rb", buffering=0) as file:
            start, end = self.range_in(file, starts_name)
            file.seek(start)
            while start < end:
                block = file.read(min(_BLOCK_BYTES, end - start))
                start += len(block)
                yield block

    def starts(self, name: str) -> Iterator[npt.NDArray[np.uint64]]:
        """Yields where the documents begin in a file of the chunk, in blocks."""
        step = _BLOCK_BYTES // _OFFSET_TYPE.itemsize
        with (self.folder / name).open("rb", buffering=0) as file:
            for first in range(self.documents.start, self.documents.stop, step):
                file.seek(first * _OFFSET_TYPE.itemsize)
                yield np.fromfile(file, _OFFSET_TYPE, min(step, self.documents.stop - first))

    def range_in(self, file: BinaryIO, starts_name: str) -> tuple[int, int]:
        bounds = (self.documents.start, self.documents.stop)
        with (self.folder / starts_name).open("rb") as starts:
            start, end = (_offset_at(starts, number, self.chunk.num_documents, file) for number in bounds)
        return start, end


def _offset_at(starts: BinaryIO, number: int, num_documents: int, file: BinaryIO) -> int:
    """Returns where document ``number`` begins in ``file``, or its end if there is none of that number."""
    if number == num_documents:
        return file.seek(0, 2)
    starts.seek(number * _OFFSET_TYPE.itemsize)
    return int.from_bytes(starts.read(_OFFSET_TYPE.itemsize), "little")


def _groups_of(folders: Sequence[Path], shard: int, num_shards: int) -> list[_Group]:
    groups: list[_Group] = []
    before = 0
    for folder in folders:
        chunk = Chunk.load(folder)
        assert chunk is not None, f"{folder}: every chunk is finished before shards are assembled"
        assert chunk.num_shards == num_shards, f"{folder}: laid out for {chunk.num_shards} shards"
        documents = chunk.group((shard - before) % num_shards)
        before += chunk.num_documents
        if documents:
            groups.append(_Group(folder, chunk, documents))
    return groups


def _shifted(groups: Sequence[_Group], name: str) -> Iterator[memoryview]:
    """Yields where the documents begin in the shard: in place of a chunk before them come the groups of others."""
    sizes_name = TEXT if name == STARTS else LINES
    done = 0
    for group in groups:
        with (group.folder / sizes_name).open("rb") as file:
            start, end = group.range_in(file, name)
        for starts in group.starts(name):
            yield (starts - np.uint64(start) + np.uint64(done)).data
        done += end - start


def _counted(blocks: Iterable[bytes], counts: TokenCounts) -> Iterator[bytes]:
    """Yields blocks of the text once their tokens are counted."""
    for block in blocks:
        counts.add(block)
        yield block


def _write(
    path: Path, blocks: Iterable[bytes | memoryview], written: Callable[[int], None] = lambda size: None
) -> None:
    file = DurableFile(path)
    try:
        for block in blocks:
            file.write(block)
            written(len(block))
        file.flush_and_close()
    finally:
        file.close()
