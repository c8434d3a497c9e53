import math

import numpy as np
import pytest

from coordinator.filter import keep_spans, maximal_spans
from coordinator.union import CorpusMatches, union
from coordinator.values import MaximalSpan, Query, ShardId, ShardMatches, SpanRanking, TraceOptions


def query_of(num_tokens):
    return Query(
        text="",
        token_ids=np.zeros(num_tokens, dtype=np.uint32),
        boundaries=np.zeros(num_tokens + 1, dtype=np.uint32),
        word_starts=np.arange(num_tokens, dtype=np.uint32),
        cuts=np.zeros(0, dtype=np.uint32),
    )


def shard_matches(number, matches, num_query_tokens, unigrams=None):
    """Matches are ``(start, end, first rank, count)``."""
    starts, ends, ranks, counts = (list(column) for column in zip(*matches, strict=True)) if matches else ([],) * 4
    rank_starts = np.array(ranks, dtype=np.uint64)
    return ShardMatches(
        shard=ShardId(number),
        starts=np.array(starts, dtype=np.uint32),
        ends=np.array(ends, dtype=np.uint32),
        rank_starts=rank_starts,
        rank_ends=rank_starts + np.array(counts, dtype=np.uint64),
        unigram_counts=np.array(unigrams or [1] * num_query_tokens, dtype=np.uint64),
        num_tokens=100,
    )


def spans_of(matches, **options):
    found = maximal_spans(union(query_of(10), [shard_matches(0, matches, 10)]), TraceOptions(**options))
    return [(span.start, span.end) for span in found]


def test_union_takes_the_longest_and_sums_the_shards_that_reach_it():
    matches = union(
        query_of(6),
        [
            shard_matches(1, [(0, 3, 10, 2), (2, 4, 20, 5)], 6, [1, 0, 0, 0, 0, 7]),
            shard_matches(0, [(0, 3, 50, 4), (2, 5, 60, 1), (5, 6, 70, 9)], 6, [2, 0, 0, 0, 0, 1]),
        ],
    )
    assert matches.starts.tolist() == [0, 2, 5]
    assert matches.ends.tolist() == [3, 5, 6]
    assert matches.counts.tolist() == [6, 1, 9]
    assert matches.unigram_counts.tolist() == [3, 0, 0, 0, 0, 8]
    assert matches.num_tokens == 200
    assert [(i.shard, i.start, i.end) for i in matches.intervals(np.array([0]))[0]] == [(0, 50, 54), (1, 10, 12)]
    assert [(i.shard, i.start, i.end) for i in matches.intervals(np.array([1]))[0]] == [(0, 60, 61)]


def test_union_of_nothing_is_nothing():
    assert union(query_of(4), []).starts.tolist() == []
    assert maximal_spans(union(query_of(4), []), TraceOptions()) == []
    assert maximal_spans(union(query_of(4), [shard_matches(0, [], 4)]), TraceOptions()) == []


def test_a_span_inside_another_is_dropped_and_one_that_overlaps_is_kept():
    assert spans_of([(0, 4, 0, 1), (1, 4, 0, 1), (2, 6, 0, 1), (3, 5, 0, 1)]) == [(0, 4), (2, 6)]


def test_spans_too_short_or_too_frequent_are_dropped_before_they_hide_others():
    matches = [(0, 4, 0, 9), (1, 4, 0, 1), (5, 6, 0, 1)]
    assert spans_of(matches, max_count=5) == [(1, 4), (5, 6)]
    assert spans_of(matches, min_span_tokens=2) == [(0, 4)]


def test_unigram_sums_use_all_shards_and_unseen_tokens_weigh_most():
    matches = union(
        query_of(3),
        [
            shard_matches(0, [(0, 2, 0, 1)], 3, [10, 0, 5]),
            shard_matches(1, [(2, 3, 0, 1)], 3, [10, 0, 0]),
        ],
    )
    spans = maximal_spans(matches, TraceOptions())
    assert spans[0].unigram_logprob_sum == pytest.approx(math.log(20) - math.log(200) - 10_000)
    assert spans[1].unigram_logprob_sum == pytest.approx(math.log(5) - math.log(200))


def span(start, end, logprob):
    return MaximalSpan(start=start, end=end, count=1, intervals=(), unigram_logprob_sum=logprob)


@pytest.mark.parametrize(("num_tokens", "kept"), [(1, 1), (20, 1), (21, 2), (140, 7)])
def test_the_number_kept_is_the_ceiling_of_the_density(num_tokens, kept):
    spans = [span(i, i + 1, -float(i)) for i in range(20)]
    assert len(keep_spans(spans, query_of(num_tokens), TraceOptions())) == kept


def test_the_least_likely_spans_are_kept_in_reading_order_and_ties_go_to_the_earlier():
    spans = [span(0, 1, -5.0), span(2, 8, -7.0), span(9, 10, -7.0), span(11, 12, -9.0)]
    kept = keep_spans(spans, query_of(40), TraceOptions())
    assert [(s.start, s.end) for s in kept] == [(2, 8), (11, 12)]
    longest = keep_spans(spans, query_of(40), TraceOptions(span_ranking=SpanRanking.LENGTH))
    assert [(s.start, s.end) for s in longest] == [(0, 1), (2, 8)]


def test_intervals_of_a_match_are_those_of_the_shards_that_hold_it():
    matches: CorpusMatches = union(query_of(3), [shard_matches(0, [(1, 2, 7, 3)], 3), shard_matches(1, [], 3)])
    assert [(i.shard, i.start, i.end) for i in matches.intervals(np.array([0]))[0]] == [(0, 7, 10)]
