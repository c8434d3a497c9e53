import math
from dataclasses import replace

import numpy as np
import pytest

from coordinator.requests import SpanRanking, TraceOptions
from coordinator.steps.filter import allowed_spans, keep_spans
from coordinator.steps.union import union
from coordinator.values import Query, ShardId, ShardMatches


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
        shard=ShardId("default", number),
        starts=np.array(starts, dtype=np.uint32),
        ends=np.array(ends, dtype=np.uint32),
        rank_starts=rank_starts,
        rank_ends=rank_starts + np.array(counts, dtype=np.uint64),
        unigram_counts=np.array(unigrams or [1] * num_query_tokens, dtype=np.uint64),
        num_tokens=100,
    )


def spans_of(matches, **options):
    """Returns all allowed spans of one shard's matches."""
    chosen = TraceOptions(max_span_density=1.0, **options)
    found = union(query_of(10), [shard_matches(0, matches, 10)])
    return [(span.start, span.end) for span in keep_spans(found, allowed_spans(found, chosen), chosen)]


def triples(matches):
    return list(zip(matches.starts.tolist(), matches.ends.tolist(), matches.counts.tolist(), strict=True))


def places(matches, number):
    return [(str(shard), start, end) for shard, start, end in matches.intervals(np.array([number]))[0]]


def test_what_is_withheld_is_summed_over_the_shards_that_reach_a_span_and_told_apart_from_what_has_none_left():
    with_withheld = replace(
        shard_matches(1, [(0, 3, 10, 2), (2, 4, 20, 5)], 6),
        withheld=np.array([3, 100], dtype=np.uint64),
        withheld_elsewhere=7,
    )
    matches = union(query_of(6), [with_withheld, shard_matches(0, [(0, 3, 50, 4), (2, 5, 60, 1)], 6)])
    assert triples(matches) == [(0, 3, 6), (2, 5, 1)]
    assert matches.withheld_counts.tolist() == [3, 0]
    assert matches.withheld_elsewhere == 7
    options = TraceOptions(max_span_density=1.0)
    kept = keep_spans(matches, allowed_spans(matches, options), options)
    assert [(span.count, span.withheld_count) for span in kept] == [(6, 3), (1, 0)]


def test_union_takes_the_longest_and_sums_the_shards_that_reach_it():
    matches = union(
        query_of(6),
        [
            shard_matches(1, [(0, 3, 10, 2), (2, 4, 20, 5)], 6, [1, 0, 0, 0, 0, 7]),
            shard_matches(0, [(0, 3, 50, 4), (2, 5, 60, 1), (5, 6, 70, 9)], 6, [2, 0, 0, 0, 0, 1]),
        ],
    )
    assert triples(matches) == [(0, 3, 6), (2, 5, 1), (5, 6, 9)]
    assert matches.unigram_counts.tolist() == [3, 0, 0, 0, 0, 8]
    assert matches.num_tokens == 200
    assert places(matches, 0) == [("default:0", 50, 54), ("default:1", 10, 12)]
    assert places(matches, 1) == [("default:0", 60, 61)]


def test_union_of_nothing_is_nothing():
    for matches in (union(query_of(4), []), union(query_of(4), [shard_matches(0, [], 4)])):
        assert triples(matches) == []
        allowed = allowed_spans(matches, TraceOptions())
        assert allowed.tolist() == []
        assert keep_spans(matches, allowed, TraceOptions()) == ()


def test_intervals_of_a_span_are_those_of_the_shards_that_hold_it():
    matches = union(query_of(3), [shard_matches(0, [(1, 2, 7, 3)], 3), shard_matches(1, [], 3)])
    assert places(matches, 0) == [("default:0", 7, 10)]


def test_a_span_inside_another_is_dropped_and_one_that_overlaps_is_kept():
    assert spans_of([(0, 4, 0, 1), (1, 4, 0, 1), (2, 6, 0, 1), (3, 5, 0, 1)]) == [(0, 4), (2, 6)]


def test_spans_too_short_or_too_frequent_are_dropped():
    matches = [(0, 4, 0, 9), (1, 5, 0, 3), (5, 6, 0, 1)]
    assert spans_of(matches) == [(0, 4), (1, 5), (5, 6)]
    assert spans_of(matches, max_count=5) == [(1, 5), (5, 6)]
    assert spans_of(matches, min_span_tokens=2) == [(0, 4), (1, 5)]


def test_a_part_of_a_count_never_brings_back_a_span_inside_a_frequent_one():
    """Tokens 0 and 1 occur together 100 times in shard 0, which sends its maximal match alone; 1 once in shard 1."""
    matches = union(query_of(2), [shard_matches(0, [(0, 2, 0, 100)], 2), shard_matches(1, [(1, 2, 5, 1)], 2)])
    assert triples(matches) == [(0, 2, 100)]
    assert allowed_spans(matches, TraceOptions(max_count=50)).tolist() == []


def test_unigram_sums_use_all_shards_and_unseen_tokens_weigh_most():
    matches = union(
        query_of(3),
        [
            shard_matches(0, [(0, 2, 0, 1)], 3, [10, 0, 5]),
            shard_matches(1, [(2, 3, 0, 1)], 3, [10, 0, 0]),
        ],
    )
    options = TraceOptions(max_span_density=1.0)
    spans = keep_spans(matches, allowed_spans(matches, options), options)
    assert spans[0].unigram_logprob_sum == pytest.approx(math.log(20) - math.log(200) - 10_000)
    assert spans[1].unigram_logprob_sum == pytest.approx(math.log(5) - math.log(200))


def kept_of(num_tokens, spans, unigrams, **options):
    """Returns what is kept of ``spans``, each of which occurs once, in a query of ``num_tokens``."""
    found = union(query_of(num_tokens), [shard_matches(0, [(*span, 0, 1) for span in spans], num_tokens, unigrams)])
    chosen = TraceOptions(**options)
    return [(span.start, span.end) for span in keep_spans(found, allowed_spans(found, chosen), chosen)]


@pytest.mark.parametrize(("num_tokens", "kept"), [(1, 1), (20, 1), (21, 2), (140, 7)])
def test_the_number_kept_is_the_ceiling_of_the_density(num_tokens, kept):
    assert len(kept_of(num_tokens, [(i, i + 1) for i in range(min(num_tokens, 20))], [1] * num_tokens)) == kept


def test_the_least_likely_spans_are_kept_in_reading_order_and_ties_go_to_the_earlier():
    # A token's log-probability falls with its count, of 100 in all.
    unigrams = [50] * 40
    unigrams[2], unigrams[9], unigrams[11] = 5, 5, 1
    spans = [(0, 2), (2, 3), (9, 10), (11, 12), (13, 14)]
    assert kept_of(40, spans, unigrams) == [(2, 3), (11, 12)]
    assert kept_of(40, spans, unigrams, span_ranking=SpanRanking.LENGTH) == [(0, 2), (2, 3)]
