"""Reads are summed over the shards, and averaged over the starts that each of them searched."""

import numpy as np

from coordinator.read_counts import NO_READS, ReadCounts, TraceStats
from coordinator.steps.stats import trace_stats
from coordinator.values import Answers, FailedShard, Query, Retrieved, ShardId, ShardMatches

NONE = np.zeros(0, dtype=np.uint32)
NO_RANKS = np.zeros(0, dtype=np.uint64)


def query(num_starts: int) -> Query:
    starts = np.arange(num_starts, dtype=np.uint32)
    return Query("", token_ids=starts, boundaries=NONE, word_starts=starts, cuts=NONE)


def matches(shard: int, reads: ReadCounts) -> ShardMatches:
    return ShardMatches(ShardId("default", shard), NONE, NONE, NO_RANKS, NO_RANKS, NO_RANKS, num_tokens=9, reads=reads)


def test_reads_of_the_shards_that_answered_are_summed() -> None:
    answers = Answers(
        (matches(0, ReadCounts(4, 5, 6, 0, 100)), matches(2, ReadCounts(1, 1, 3, 0, 20))),
        (FailedShard(ShardId("default", 1), "gone"),),
    )
    retrieved = Retrieved((), (), ReadCounts(1, 0, 2, 3, 50))
    assert trace_stats(query(4), answers, retrieved) == TraceStats(
        suffixes=4,
        reads_per_suffix=20 / (4 * 2),
        search_reads=ReadCounts(5, 6, 9, 0, 120),
        retrieval_reads=ReadCounts(1, 0, 2, 3, 50),
    )


def test_an_answer_without_starts_reads_nothing() -> None:
    stats = trace_stats(query(0), Answers((matches(0, NO_READS),), ()), Retrieved((), ()))
    assert stats == TraceStats(0, 0.0, NO_READS, NO_READS)
