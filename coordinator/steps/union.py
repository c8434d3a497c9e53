"""Step 3: the shards' matches become the maximal spans of the whole corpus.

Law: at the start of a maximal span, its end is the furthest that any shard reaches from there, and its count the sum
over the shards that reach it. A shard whose own longest allowed match is shorter holds the longer one zero times,
because trimming to word starts and cuts is a monotone, idempotent function of the raw match length.

A shard may leave out every match that ends no later than one it has at an earlier start. The ends of a shard, and so
the furthest ends of all shards, never fall from one start to the next. So a shard that reaches the end of a maximal
span has no earlier match that ends as late: it sends that span. At any other start some maximal span ends as late as
the longest match there, and hides what is sent for it, be it too short or counted in part. That is also why options
that depend on a count are applied to maximal spans, after this step (see `coordinator.steps.filter`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coordinator.values import Positions, Query, RankInterval, Ranks, ShardId, ShardMatches


@dataclass(frozen=True, slots=True)
class CorpusMatches:
    """The M maximal spans over all S shards that answered, ascending by start, and so by end.

    Attributes:
        starts: First query position of each span (M).
        ends: End of each span in the query (M).
        counts: Occurrences of each span, over all shards (M).
        unigram_counts: For every token of the query, its count over all shards.
        num_tokens: Positions in all shards, separators included.
        shards: The shards that answered, ascending (S).
        rank_starts: First rank of each span in each shard (S x M).
        rank_ends: End of those ranks (S x M); equal to the start where the shard does not hold the span.
        withheld_counts: Occurrences of each span in documents that were taken down, in the shards that hold it (M).
        withheld_elsewhere: Occurrences, over all shards, of matches that a shard has no more because of that.
    """

    starts: Positions
    ends: Positions
    counts: Ranks
    unigram_counts: Ranks
    num_tokens: int
    shards: tuple[ShardId, ...]
    rank_starts: Ranks
    rank_ends: Ranks
    withheld_counts: Ranks
    withheld_elsewhere: int

    def intervals(self, numbers: npt.NDArray[np.intp]) -> list[tuple[RankInterval, ...]]:
        """Returns where each of these spans stands, in the shards that hold it, in shard order."""
        rows = zip(self.rank_starts[:, numbers].T.tolist(), self.rank_ends[:, numbers].T.tolist(), strict=True)
        return [
            tuple(
                RankInterval(shard, start, end)
                for shard, start, end in zip(self.shards, starts, ends, strict=True)
                if end > start
            )
            for starts, ends in rows
        ]


def union(query: Query, matches: Sequence[ShardMatches]) -> CorpusMatches:
    """Returns the maximal spans of all shards, from all of each shard's matches or from its own maximal ones."""
    num_tokens = len(query.token_ids)
    shards = sorted(matches, key=lambda shard: shard.shard)
    furthest = np.zeros(num_tokens, dtype=np.uint32)  # the end of the longest match at each start; 0: none
    for shard in shards:
        furthest[shard.starts] = np.maximum(furthest[shard.starts], shard.ends)
    reached = np.concatenate((_NOTHING_REACHED, np.maximum.accumulate(furthest)))
    is_maximal = reached[1:] > reached[:-1]
    starts = np.flatnonzero(is_maximal).astype(np.uint32)
    maximal_ends = np.where(is_maximal, furthest, 0)

    rank_starts = np.zeros((len(shards), len(starts)), dtype=np.uint64)
    rank_ends = np.zeros_like(rank_starts)
    withheld_counts = np.zeros(len(starts), dtype=np.uint64)
    for row, shard in enumerate(shards):
        holds = shard.ends == maximal_ends[shard.starts]
        columns = np.searchsorted(starts, shard.starts[holds])
        rank_starts[row, columns] = shard.rank_starts[holds]
        rank_ends[row, columns] = shard.rank_ends[holds]
        if shard.withheld is not None:
            withheld_counts[columns] += shard.withheld[holds]
    return CorpusMatches(
        starts=starts,
        ends=furthest[starts],
        counts=(rank_ends - rank_starts).sum(axis=0),
        unigram_counts=sum((shard.unigram_counts for shard in shards), np.zeros(num_tokens, dtype=np.uint64)),
        num_tokens=sum(shard.num_tokens for shard in shards),
        shards=tuple(shard.shard for shard in shards),
        rank_starts=rank_starts,
        rank_ends=rank_ends,
        withheld_counts=withheld_counts,
        withheld_elsewhere=sum(shard.withheld_elsewhere for shard in shards),
    )


_NOTHING_REACHED = np.zeros(1, dtype=np.uint32)
