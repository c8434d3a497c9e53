"""Reads documents in the order in which they were indexed and deals them out to shards anew."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from index_format.errors import ManifestError
from indexing.living.core_writer import CoreWriter
from indexing.living.shard_reader import ShardReader, Starts

# Of all shards of a group together; a document that is longer is copied in pieces.
_BLOCK_BYTES = 32 << 20
_MOST_ROUNDS = 4096
_PIECE_BYTES = 1 << 20


def deal_documents(
    groups: Sequence[Sequence[ShardReader]],
    writers: Sequence[CoreWriter],
    read: Callable[[int], None] = lambda size_bytes: None,
    block_bytes: int = _BLOCK_BYTES,
) -> int:
    """Copies every document that is kept to the writers in turn, document i to ``writers[i % len(writers)]``.

    The order of documents is that of the groups, and within a group that in which its shards were dealt: the first of
    each shard, the second of each, and so on.

    Args:
        groups: Open shards.
        writers: What they are written to; they are not finished here.
        read: Told the bytes of the shards that are done.
        block_bytes: Bytes of documents held at a time, about twice.

    Returns:
        Number of documents kept.

    Raises:
        ManifestError: the shards of a group are not of the sizes that dealing gives.
    Cost: one pass over the shards.
    """
    num_kept = 0
    for group in groups:
        _check_dealt(group)
        start = 0
        while start < group[0].num_documents:
            block = _Block.of(group, start, block_bytes)
            num_kept = block.deal(writers, num_kept)
            read(block.size_bytes)
            start += block.rounds
    return num_kept


def _check_dealt(group: Sequence[ShardReader]) -> None:
    total = sum(shard.num_documents for shard in group)
    for place, shard in enumerate(group):
        expected = (total - place + len(group) - 1) // len(group)
        if shard.num_documents != expected:
            raise ManifestError(
                f"shard {shard.manifest.shard}: {shard.num_documents} documents, expected {expected}: {len(group)} "
                f"shards with {total} documents are said to be dealt out in turn ('dealing' in index.json)"
            )


@dataclass(frozen=True, slots=True)
class _Block:
    """Documents ``[start, start + rounds)`` of each shard of a group, fewer of those that end before.

    Arrays have a row a round and a column a shard. What is past a shard's end is not kept, and has no size.
    """

    group: Sequence[ShardReader]
    rounds: int
    kept: npt.NDArray[np.bool_]
    text_starts: npt.NDArray[np.int64]
    line_starts: npt.NDArray[np.int64]
    is_large: bool

    @classmethod
    def of(cls, group: Sequence[ShardReader], start: int, block_bytes: int) -> "_Block":
        """Returns the documents from ``start`` on that have about ``block_bytes`` together, or one of each shard."""
        rounds = min(_MOST_ROUNDS, group[0].num_documents - start)
        text_starts = _columns([shard.text_starts(start, _end(shard, start, rounds)) for shard in group], rounds)
        line_starts = _columns([shard.line_starts(start, _end(shard, start, rounds)) for shard in group], rounds)
        sizes = (text_starts + line_starts)[1:].sum(axis=1) - (text_starts[0] + line_starts[0]).sum()
        fitting = int(np.searchsorted(sizes, block_bytes, side="right"))
        rounds = max(1, fitting)
        kept = np.zeros((rounds, len(group)), dtype=np.bool_)
        for place, shard in enumerate(group):
            end = _end(shard, start, rounds)
            kept[: end - start, place] = shard.kept(start, end)
        return cls(group, rounds, kept, text_starts[: rounds + 1], line_starts[: rounds + 1], is_large=fitting == 0)

    @property
    def size_bytes(self) -> int:
        """Bytes of text and metadata."""
        both = self.text_starts + self.line_starts
        return int((both[-1] - both[0]).sum())

    def deal(self, writers: Sequence[CoreWriter], num_before: int) -> int:
        """Writes the documents that are kept, of which there were ``num_before``; returns how many there are now."""
        kept = np.flatnonzero(self.kept)
        if self.is_large:
            for number, place in enumerate(kept.tolist(), num_before):
                self._copy(place, writers[number % len(writers)])
            return num_before + len(kept)
        wanted = np.any(self.kept, axis=0, keepdims=True)[0]
        text = self._read(wanted, self.text_starts, ShardReader.text)
        lines = self._read(wanted, self.line_starts, ShardReader.lines)
        for number, writer in enumerate(writers):
            picked = kept[(number - num_before) % len(writers) :: len(writers)]
            if len(picked):
                writer.write_text(_joined(text, self.text_starts, picked))
                writer.write_lines(_joined(lines, self.line_starts, picked))
                writer.add_documents(_sizes(self.text_starts, picked), _sizes(self.line_starts, picked))
        return num_before + len(kept)

    def _read(
        self, wanted: npt.NDArray[np.bool_], starts: Starts, read: Callable[[ShardReader, int, int], bytes]
    ) -> list[memoryview]:
        return [
            memoryview(read(shard, int(starts[0, place]), int(starts[-1, place])) if wanted[place] else b"")
            for place, shard in enumerate(self.group)
        ]

    def _copy(self, document: int, writer: CoreWriter) -> None:
        """Copies one document in pieces."""
        round_, place = divmod(document, len(self.group))
        shard = self.group[place]
        for starts, read, write in (
            (self.text_starts, shard.text, writer.write_text),
            (self.line_starts, shard.lines, writer.write_lines),
        ):
            end = int(starts[round_ + 1, place])
            for start in range(int(starts[round_, place]), end, _PIECE_BYTES):
                write(read(start, min(end, start + _PIECE_BYTES)))
        picked = np.array([document])
        writer.add_documents(_sizes(self.text_starts, picked), _sizes(self.line_starts, picked))


def _end(shard: ShardReader, start: int, rounds: int) -> int:
    return max(start, min(start + rounds, shard.num_documents))


def _columns(starts: Sequence[Starts], rounds: int) -> npt.NDArray[np.int64]:
    """Returns the starts of each shard as a column; one that is shorter stays where it ends."""
    columns = np.empty((rounds + 1, len(starts)), dtype=np.int64)
    for place, of_shard in enumerate(starts):
        columns[: len(of_shard), place] = of_shard
        columns[len(of_shard) :, place] = of_shard[-1]
    return columns


def _sizes(starts: Starts, picked: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.diff(starts, axis=0).ravel()[picked]


def _joined(content: Sequence[memoryview], starts: Starts, picked: npt.NDArray[np.int64]) -> bytes:
    """Returns the documents at the places ``picked`` in the order of a block, one behind another."""
    places = picked % len(content)
    begins = (starts[:-1] - starts[0]).ravel()[picked]
    ends = (starts[1:] - starts[0]).ravel()[picked]
    ranges = zip(places.tolist(), begins.tolist(), ends.tolist(), strict=True)
    return b"".join([content[place][begin:end] for place, begin, end in ranges])
