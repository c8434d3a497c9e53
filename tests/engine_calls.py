"""The engine called with lists: its arrays cross as little-endian bytes, both ways."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import suffix_engine


@dataclass(frozen=True, slots=True)
class FoundMatch:
    """A match ``[start, end)`` of the query and the ranks ``[first, last)`` that begin with it."""

    start: int
    end: int
    ranks: tuple[int, int]

    @property
    def count(self) -> int:
        return self.ranks[1] - self.ranks[0]


def as_u32(values: Sequence[int]) -> bytes:
    return np.array(values, dtype="<u4").tobytes()


def as_u64(values: Sequence[int]) -> bytes:
    return np.array(values, dtype="<u8").tobytes()


def u32(content: bytes) -> list[int]:
    return np.frombuffer(content, dtype="<u4").tolist()


def u64(content: bytes) -> list[int]:
    return np.frombuffer(content, dtype="<u8").tolist()


def longest_matches(
    shard: suffix_engine.ShardIndex, tokens: Sequence[int], word_starts: Sequence[int], cuts: Sequence[int]
) -> list[FoundMatch]:
    """Returns the matches that the shard finds, in its order."""
    return matches_of(shard.longest_matches(as_u32(tokens), as_u32(word_starts), as_u32(cuts)))


def matches_of(found: suffix_engine.LongestMatches) -> list[FoundMatch]:
    columns = (u32(found.starts), u32(found.ends), u64(found.rank_starts), u64(found.rank_ends))
    return [FoundMatch(start, end, (first, last)) for start, end, first, last in zip(*columns, strict=True)]


def windows(
    shard: suffix_engine.ShardIndex, ranks: Sequence[int], lengths: Sequence[int], context: int, snippet: int
) -> tuple[list[suffix_engine.Window], suffix_engine.ReadCounts]:
    """Returns the windows round occurrences and what was read for them."""
    return shard.windows(as_u64(ranks), as_u32(lengths), context, snippet)
