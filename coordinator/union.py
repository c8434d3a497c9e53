"""Step 3: the shards' matches become those of the whole corpus.

Law: at each start, the length is the maximum over the shards, and the count the sum over the shards that reach it. A
shard whose own longest allowed match is shorter holds the longer one zero times, because trimming to word starts and
cuts is a monotone, idempotent function of the raw match length.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coordinator.values import Positions, Query, RankInterval, Ranks, ShardId, ShardMatches


@dataclass(frozen=True, slots=True)
class CorpusMatches:
    """The M longest allowed matches over all S shards that answered, ascending by start.

    Attributes:
        starts: First query position of each match (M).
        ends: End of each match in the query (M).
        counts: Occurrences of each match, over all shards (M).
        unigram_counts: For every token of the query, its count over all shards.
        num_tokens: Positions in all shards, separators included.
        shards: The shards that answered, ascending (S).
        rank_starts: First rank of each match in each shard (S x M).
        rank_ends: End of those ranks (S x M); equal to the start where the shard does not hold the match.
    """

    starts: Positions
    ends: Positions
    counts: Ranks
    unigram_counts: Ranks
    num_tokens: int
    shards: tuple[ShardId, ...]
    rank_starts: Ranks
    rank_ends: Ranks

    def intervals(self, chosen: npt.NDArray[np.intp]) -> list[tuple[RankInterval, ...]]:
        """Returns where each of the ``chosen`` matches stands, in the shards that hold it, in shard order."""
        rows = zip(self.rank_starts[:, chosen].T.tolist(), self.rank_ends[:, chosen].T.tolist(), strict=True)
        return [
            tuple(
                RankInterval(shard, start, end)
                for shard, start, end in zip(self.shards, starts, ends, strict=True)
                if end > start
            )
            for starts, ends in rows
        ]


def union(query: Query, matches: Sequence[ShardMatches]) -> CorpusMatches:
    """Returns the longest allowed match at every start at which some shard has one."""
    num_tokens = len(query.token_ids)
    shards = sorted(matches, key=lambda shard: shard.shard)
    ends = np.zeros(num_tokens, dtype=np.uint32)
    for shard in shards:
        ends[shard.starts] = np.maximum(ends[shard.starts], shard.ends)
    rank_starts = np.zeros((len(shards), num_tokens), dtype=np.uint64)
    rank_ends = np.zeros_like(rank_starts)
    for row, shard in enumerate(shards):
        reaches = shard.ends == ends[shard.starts]
        rank_starts[row, shard.starts[reaches]] = shard.rank_starts[reaches]
        rank_ends[row, shard.starts[reaches]] = shard.rank_ends[reaches]
    starts = np.flatnonzero(ends).astype(np.uint32)
    return CorpusMatches(
        starts=starts,
        ends=ends[starts],
        counts=(rank_ends - rank_starts).sum(axis=0)[starts],
        unigram_counts=sum((shard.unigram_counts for shard in shards), np.zeros(num_tokens, dtype=np.uint64)),
        num_tokens=sum(shard.num_tokens for shard in shards),
        shards=tuple(shard.shard for shard in shards),
        rank_starts=rank_starts[:, starts],
        rank_ends=rank_ends[:, starts],
    )
