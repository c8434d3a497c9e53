"""Documents that are equal, token for token: found by hash, compared where hashes are equal.

First every shard writes a record of each document, its hash and where it is, to files by the hash's first bits; then
each of these *buckets*, of all shards, is sorted in memory. So memory depends on neither the documents nor the text.
"""

import hashlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress, pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from indexing.statistics.shard import DOCUMENTS_A_BLOCK, StatisticsShard

# 16 bytes each, and as much again while they are sorted: 128 MiB a bucket.
_RECORDS_A_BUCKET = 4 << 20
_MOST_BUCKETS = 4096
_RECORD = np.dtype([("hash", "<u8"), ("shard", "<u4"), ("document", "<u4")])
# Bytes from the start of a document that decide whether it is in a sample.
_KEY_BYTES = 64
_LARGEST = 20


@dataclass(frozen=True, slots=True)
class RecordsWritten:
    """How many documents of a shard were looked at, and their tokens."""

    num_documents: int
    num_tokens: int


@dataclass(frozen=True, slots=True, order=True)
class FoundGroup:
    """Equal documents: tokens that could be saved, how many, how long each, the first of them."""

    tokens_saved: int
    num_documents: int
    num_tokens: int
    shard: int
    document: int


@dataclass(slots=True)
class BucketDuplicates:
    """The groups of equal documents in a bucket."""

    num_groups: int = 0
    num_documents: int = 0
    num_tokens: int = 0
    largest: tuple[FoundGroup, ...] = ()


def num_buckets(num_documents: int) -> int:
    """Returns into how many buckets so many documents go: a power of two."""
    needed = max(1, -(-num_documents // _RECORDS_A_BUCKET))
    return min(_MOST_BUCKETS, 1 << (needed - 1).bit_length())


def write_records(
    shard: StatisticsShard, share: float, buckets: int, scratch: Path, advanced: Callable[[int], None]
) -> RecordsWritten:
    """Writes the record of each document, or of a share of them, and returns how many that were.

    Reads the text once. ``advanced`` is told tokens. Memory: about 10 MB; disk: 16 bytes a document.
    """
    starts, text = shard.starts(), shard.text().data
    width = shard.token_width
    bits = buckets.bit_length() - 1
    documents = tokens = 0
    for first in range(0, shard.num_documents, DOCUMENTS_A_BLOCK):
        end = min(shard.num_documents, first + DOCUMENTS_A_BLOCK)
        bounds = shard.bounds(starts, first, end).tolist()
        records = np.fromiter(_records(text, bounds, shard.number, first, width, share), dtype=_RECORD)
        documents += len(records)
        ends = np.asarray(bounds)
        at = records["document"].astype(np.int64) - first
        tokens += int((ends[at + 1] - ends[at]).sum()) // width - len(records)
        into = (records["hash"] >> np.uint64(64 - bits)).astype(np.int64) if bits else np.zeros(len(records), np.int64)
        order = np.argsort(into, kind="stable")
        edges = np.searchsorted(into[order], np.arange(buckets + 1))
        for bucket, (low, high) in enumerate(pairwise(edges.tolist())):
            if low < high:
                with bucket_file(scratch, shard.number, bucket).open("ab") as file:
                    file.write(records[order[low:high]].tobytes())
        advanced((bounds[-1] - bounds[0]) // width)
    return RecordsWritten(documents, tokens)


def bucket_file(scratch: Path, shard: int, bucket: int) -> Path:
    """Returns where the records of a shard in a bucket are, if it has any."""
    return scratch / f"shard-{shard}-bucket-{bucket}"


def find_duplicates(
    shards: Sequence[StatisticsShard], bucket: int, scratch: Path, advanced: Callable[[int], None]
) -> BucketDuplicates:
    """Returns the groups of equal documents in a bucket, of all shards.

    ``advanced`` is told nothing: the work is small. Memory: 32 bytes a document of the bucket.
    """
    paths = [bucket_file(scratch, shard.number, bucket) for shard in shards]
    records = np.concatenate([np.fromfile(path, _RECORD) for path in paths if path.exists()] or [np.empty(0, _RECORD)])
    # Stable: equal hashes stay in the order of shards and documents.
    records = records[np.argsort(records["hash"], kind="stable")]
    edges = np.flatnonzero(np.diff(records["hash"], prepend=~records["hash"][:1], append=~records["hash"][-1:]))
    runs = np.flatnonzero(np.diff(edges) > 1)
    texts = _Texts(shards)
    found = BucketDuplicates()
    groups: list[FoundGroup] = []
    for run in runs.tolist():
        members = records[edges[run] : edges[run + 1]]
        for group in _equal_groups([(int(shard), int(document)) for _, shard, document in members], texts):
            found.num_groups += 1
            found.num_documents += group.num_documents - 1
            found.num_tokens += group.tokens_saved
            groups.append(group)
        if len(groups) > 1000:
            groups = sorted(groups, reverse=True)[:_LARGEST]
    found.largest = tuple(sorted(groups, reverse=True)[:_LARGEST])
    return found


def all_duplicates(buckets: Sequence[BucketDuplicates]) -> BucketDuplicates:
    """Returns the groups of all buckets together."""
    groups = (group for bucket in buckets for group in bucket.largest)
    return BucketDuplicates(
        num_groups=sum(bucket.num_groups for bucket in buckets),
        num_documents=sum(bucket.num_documents for bucket in buckets),
        num_tokens=sum(bucket.num_tokens for bucket in buckets),
        largest=tuple(sorted(groups, reverse=True)[:_LARGEST]),
    )


def _records(
    text: memoryview, bounds: Sequence[int], shard: int, first: int, width: int, share: float
) -> Iterator[tuple[int, int, int]]:
    most = int(share * (1 << 32))
    for document, (start, end) in enumerate(pairwise(bounds), first):
        content = text[start + width : end]
        if share < 1 and zlib.crc32(content[:_KEY_BYTES], len(content)) >= most:
            continue
        digest = hashlib.blake2b(content, digest_size=8).digest()
        yield int.from_bytes(digest, "little"), shard, document


class _Texts:
    """The documents of some shards, mapped as they are asked for."""

    def __init__(self, shards: Sequence[StatisticsShard]):
        self._shards = {shard.number: shard for shard in shards}
        self._mapped: dict[int, tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint64]]] = {}

    def tokens_of(self, shard: int, document: int) -> npt.NDArray[np.uint8]:
        """Returns the bytes of a document's tokens."""
        of = self._shards[shard]
        if shard not in self._mapped:
            self._mapped[shard] = (of.text(), of.starts())
        text, starts = self._mapped[shard]
        start, end = of.bounds(starts, document, document + 1).tolist()
        return text[start + of.token_width : end]

    def width(self, shard: int) -> int:
        """Returns the bytes a token."""
        return self._shards[shard].token_width


def _equal_groups(members: Sequence[tuple[int, int]], texts: _Texts) -> Iterator[FoundGroup]:
    """Yields the groups of two and more that really are equal, among documents of one hash."""
    left = list(members)
    while len(left) > 1:
        first = texts.tokens_of(*left[0])
        is_equal = [np.array_equal(texts.tokens_of(*member), first) for member in left]
        equal = list(compress(left, is_equal))
        if len(equal) > 1:
            num_tokens = len(first) // texts.width(left[0][0])
            yield FoundGroup((len(equal) - 1) * num_tokens, len(equal), num_tokens, *equal[0])
        left = [member for member, is_one in zip(left, is_equal, strict=True) if not is_one]
