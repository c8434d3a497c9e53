"""The sharding law: over any split of the documents, spans, counts and kept spans are those of one shard."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from coordinator.requests import SpanRanking, TraceOptions
from coordinator.steps.filter import allowed_spans, keep_spans
from coordinator.steps.union import CorpusMatches, union
from coordinator.values import MaximalSpan, Query, ShardId, ShardMatches
from tests import oracle
from tests.property import strategies
from tests.property.strategies import Corpus, corpora, queries, splits


def as_query(query: strategies.Query) -> Query:
    positions = [np.array(values, dtype=np.uint32) for values in (query.tokens, query.word_starts, query.cuts)]
    boundaries = np.arange(len(query.tokens) + 1, dtype=np.uint32)
    return Query("x" * len(query.tokens), positions[0], boundaries, positions[1], positions[2])


def answer_of(
    number: int, documents: tuple[tuple[int, ...], ...], width: int, query: strategies.Query, only_maximal: bool
) -> ShardMatches:
    """Returns all the matches of a shard with these documents, or the maximal ones alone, by brute force."""
    matches = oracle.longest_matches(documents, query.tokens, query.word_starts, query.cuts)
    if only_maximal:
        matches = oracle.maximal_spans(matches)
    text = oracle.text_of(documents, width)
    table = oracle.suffix_table(text, width)
    intervals = [oracle.find(text, table, query.tokens[m.start : m.end]) for m in matches]
    counts = oracle.unigram_counts(documents, width)
    return ShardMatches(
        shard=ShardId("default", number),
        starts=np.array([m.start for m in matches], dtype=np.uint32),
        ends=np.array([m.end for m in matches], dtype=np.uint32),
        rank_starts=np.array([start for start, _ in intervals], dtype=np.uint64),
        rank_ends=np.array([end for _, end in intervals], dtype=np.uint64),
        unigram_counts=np.array([counts[token] for token in query.tokens], dtype=np.uint64),
        num_tokens=len(text),
    )


@st.composite
def unions(draw: st.DrawFn) -> tuple[Corpus, strategies.Query, CorpusMatches]:
    """Draws a corpus, a query, and the union of the answers of a random split of the corpus into shards."""
    corpus = draw(corpora())
    query = draw(queries(corpus))
    shards = draw(splits(corpus))
    answers = [
        answer_of(number, documents, corpus.width, query, only_maximal=draw(st.booleans()))
        for number, documents in enumerate(shards)
    ]
    return corpus, query, union(as_query(query), draw(st.permutations(answers)))


def all_spans(matches: CorpusMatches, **options: object) -> tuple[MaximalSpan, ...]:
    """Returns every allowed span: a density of as many spans as tokens leaves none out."""
    chosen = TraceOptions(max_span_density=1.0, **options)
    return keep_spans(matches, allowed_spans(matches, chosen), chosen)


@given(unions())
def test_union_over_any_split_is_the_oracle_over_all_documents(drawn: tuple) -> None:
    corpus, query, found = drawn
    matches = oracle.longest_matches(corpus.documents, query.tokens, query.word_starts, query.cuts)
    counts = oracle.unigram_counts(corpus.documents, corpus.width)
    triples = zip(found.starts.tolist(), found.ends.tolist(), found.counts.tolist(), strict=True)
    assert list(triples) == [(m.start, m.end, m.count) for m in oracle.maximal_spans(matches)]
    assert found.unigram_counts.tolist() == [counts[token] for token in query.tokens]
    assert found.num_tokens == counts.total()


@given(unions())
def test_intervals_are_in_shard_order_and_add_up_to_the_count(drawn: tuple) -> None:
    _, _, found = drawn
    everywhere = found.intervals(np.arange(len(found.starts)))
    for intervals, count in zip(everywhere, found.counts.tolist(), strict=True):
        assert [interval.shard for interval in intervals] == sorted({interval.shard for interval in intervals})
        assert all(interval.start < interval.end for interval in intervals)
        assert sum(interval.end - interval.start for interval in intervals) == count


OPTIONS = st.builds(
    TraceOptions,
    min_span_tokens=st.integers(1, 4),
    max_count=st.sampled_from([1, 2, 5, 1_000_000]),
    max_span_density=st.sampled_from([0.05, 0.1, 0.25, 1.0]),
)


@given(unions(), OPTIONS)
def test_maximal_and_kept_spans_over_any_split_are_the_oracles(drawn: tuple, options: TraceOptions) -> None:
    corpus, query, matches = drawn
    truth = oracle.longest_matches(corpus.documents, query.tokens, query.word_starts, query.cuts)
    # The oracle drops what is too short or too frequent before it takes the maximal ones, as the definition says.
    wanted = oracle.maximal_spans(truth, options.min_span_tokens, options.max_count)
    counts = oracle.unigram_counts(corpus.documents, corpus.width)
    found = all_spans(matches, min_span_tokens=options.min_span_tokens, max_count=options.max_count)
    assert [(s.start, s.end, s.count) for s in found] == [(m.start, m.end, m.count) for m in wanted]
    # Equal to the last bit, not nearly: a tie decides which span is kept.
    sums = [oracle.unigram_logprob_sum(counts, query.tokens[m.start : m.end]) for m in wanted]
    assert [s.unigram_logprob_sum for s in found] == sums
    allowed = allowed_spans(matches, options)
    assert len(allowed) == len(wanted)
    kept = keep_spans(matches, allowed, options)
    wanted_kept = oracle.kept_spans(wanted, query.tokens, counts, options.max_span_density)
    assert [(s.start, s.end) for s in kept] == [(m.start, m.end) for m in wanted_kept]


@given(unions())
def test_longest_spans_are_kept_when_asked_for(drawn: tuple) -> None:
    _, _, matches = drawn
    options = TraceOptions(max_span_density=0.2, span_ranking=SpanRanking.LENGTH)
    found = all_spans(matches)
    kept = keep_spans(matches, allowed_spans(matches, options), options)
    assert list(kept) == sorted(kept, key=lambda span: span.start)
    dropped = [span for span in found if span not in kept]
    assert not dropped or min(s.end - s.start for s in kept) >= max(s.end - s.start for s in dropped)
