"""What a trace asked of the disks, summed over the shards."""

from coordinator.read_counts import NO_READS, TraceStats
from coordinator.values import Answers, Query, Retrieved


def trace_stats(query: Query, answers: Answers, retrieved: Retrieved) -> TraceStats:
    """Returns the reads of both rounds, over the shards that answered them."""
    searched = sum((matches.reads for matches in answers.matches), NO_READS)
    suffixes = len(query.word_starts)
    searches = suffixes * len(answers.matches)
    return TraceStats(
        suffixes=suffixes,
        reads_per_suffix=searched.total / searches if searches else 0.0,
        search_reads=searched,
        retrieval_reads=retrieved.reads,
    )
