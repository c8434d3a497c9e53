"""Step 3: the shards' matches become those of the whole corpus.

Law: at each start, the length is the maximum over the shards, and the count the sum over the shards that reach it. A
shard whose own longest allowed match is shorter holds the longer one zero times, because trimming to word starts and
cuts is a monotone, idempotent function of the raw match length.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coordinator.values import Positions, Query, RankInterval, Ranks, ShardMatches


@dataclass(frozen=True, slots=True)
class CorpusMatches:
    """The longest allowed matches over all shards that answered, ascending by start.

    Attributes:
        starts: First query position of each match.
        ends: End of each match in the query.
        counts: Occurrences of each match, over all shards.
        unigram_counts: For every token of the query, its count over all shards.
        num_tokens: Positions in all shards, separators included.
        shards: The matches this was made of, in shard order.
    """

    starts: Positions
    ends: Positions
    counts: Ranks
    unigram_counts: Ranks
    num_tokens: int
    shards: tuple[ShardMatches, ...]

    def intervals(self, match: int) -> tuple[RankInterval, ...]:
        """Returns where match number ``match`` stands, in the shards that hold it, in shard order."""
        start, end = self.starts[match], self.ends[match]
        intervals = []
        for shard in self.shards:
            at = int(np.searchsorted(shard.starts, start))
            if at < len(shard.starts) and shard.starts[at] == start and shard.ends[at] == end:
                intervals.append(RankInterval(shard.shard, int(shard.rank_starts[at]), int(shard.rank_ends[at])))
        return tuple(intervals)


def union(query: Query, matches: Sequence[ShardMatches]) -> CorpusMatches:
    """Returns the longest allowed match at every start at which some shard has one."""
    num_tokens = len(query.token_ids)
    shards = tuple(sorted(matches, key=lambda shard: shard.shard))
    ends = np.zeros(num_tokens, dtype=np.uint32)
    for shard in shards:
        ends[shard.starts] = np.maximum(ends[shard.starts], shard.ends)
    counts = np.zeros(num_tokens, dtype=np.uint64)
    for shard in shards:
        reaches = shard.ends == ends[shard.starts]
        counts[shard.starts[reaches]] += (shard.rank_ends - shard.rank_starts)[reaches]
    starts = np.flatnonzero(ends).astype(np.uint32)
    return CorpusMatches(
        starts=starts,
        ends=ends[starts],
        counts=counts[starts],
        unigram_counts=sum((shard.unigram_counts for shard in shards), np.zeros(num_tokens, dtype=np.uint64)),
        num_tokens=sum(shard.num_tokens for shard in shards),
        shards=shards,
    )
