"""Whole traces by brute force: the events tell the trace, and the coverage tells which shards it is of."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.errors import IncompleteAnswerError, NoShardAnsweredError
from coordinator.pipeline import Pipeline
from coordinator.requests import TraceRequest
from coordinator.results import DocumentsFound, Ranking, Relevance, SpansFound, Trace, TraceEvent
from coordinator.steps.tokenize import tokenize
from coordinator.streaming import events_of, trace_of
from index_format.tokenizer import ByteTokenizer
from tests import oracle
from tests.oracle_shard import OracleShard, pipeline_over
from tests.property.corpora_texts import corpora, requests

DEADLINE_S = 30.0


def without_timings(trace: Trace) -> Trace:
    return replace(trace, timings=None)  # type: ignore[arg-type]


def traced(pipeline: Pipeline, request: TraceRequest) -> Trace:
    return without_timings(asyncio.run(pipeline.trace(request, DEADLINE_S)))


def streamed(pipeline: Pipeline, request: TraceRequest) -> list[TraceEvent]:
    async def collect() -> list[TraceEvent]:
        return [event async for event in pipeline.stream(request, DEADLINE_S)]

    return asyncio.run(collect())


@st.composite
def partly_broken(draw: st.DrawFn) -> tuple[Pipeline, list[OracleShard], TraceRequest]:
    """Draws corpora of which some shards are lost in either round or have files that are not theirs."""
    served = draw(corpora())
    pipeline, shards = pipeline_over(served)
    for shard in shards:
        match draw(st.sampled_from(["works", "works", "works", "search", "windows", "wrong windows"])):
            case "search":
                shard.fails_search = True
            case "windows":
                shard.fails_windows = True
            case "wrong windows":
                shard.wrong_windows = True
    return pipeline, shards, draw(requests(served))


def searched(shards: list[OracleShard]) -> list[OracleShard]:
    return [shard for shard in shards if not shard.fails_search]


def has_failed(shard: OracleShard) -> bool:
    return shard.fails_search or (shard.windows_asked > 0 and (shard.fails_windows or shard.wrong_windows))


@given(partly_broken())
def test_the_events_of_a_trace_tell_that_trace(drawn: tuple[Pipeline, list[OracleShard], TraceRequest]) -> None:
    pipeline, shards, request = drawn
    if not searched(shards):
        return
    trace = traced(pipeline, request)
    assert without_timings(trace_of(request.answer, streamed(pipeline, request))) == trace
    assert trace_of(request.answer, events_of(trace)) == trace


@given(partly_broken())
def test_events_come_as_spans_then_documents_of_a_shard_each_then_the_ranking(
    drawn: tuple[Pipeline, list[OracleShard], TraceRequest],
) -> None:
    pipeline, shards, request = drawn
    if not searched(shards):
        return
    first, *parts, last = streamed(pipeline, request)
    assert isinstance(first, SpansFound)
    assert isinstance(last, Ranking)
    documents = [part.documents for part in parts if isinstance(part, DocumentsFound)]
    assert len(documents) == len(parts)
    homes = [{document.id[:2] for document in part} for part in documents]
    assert all(len(home) == 1 for home in homes)
    assert len(set.union(set(), *homes)) == len(homes)
    shown = [document.id for part in documents for document in part]
    assert len(set(shown)) == len(shown)
    assert set(shown) == {rank.id for rank in last.documents}
    # What only the end can tell is not told before.
    assert {span.relevance for span in (*first.spans, *first.merged_spans)} <= {Relevance.UNKNOWN}
    assert all(span.documents == () for span in (*first.spans, *first.merged_spans))
    assert {document.relevance for part in documents for document in part} <= {Relevance.UNKNOWN}
    assert {rank.relevance for rank in last.documents} <= set(Relevance) - {Relevance.UNKNOWN}


@given(partly_broken())
def test_every_shard_has_answered_or_is_listed_as_failed(
    drawn: tuple[Pipeline, list[OracleShard], TraceRequest],
) -> None:
    pipeline, shards, request = drawn
    if not searched(shards):
        with pytest.raises(NoShardAnsweredError, match="lost in the search"):
            traced(pipeline, request)
        return
    coverage = traced(pipeline, request).coverage
    failed = {shard.shard for shard in shards if has_failed(shard)}
    assert {one.shard for one in coverage.failed_shards} == failed
    assert len(coverage.failed_shards) == len(failed)
    for part in coverage.corpora:
        ours = [shard for shard in shards if shard.shard.corpus == part.corpus]
        assert part.shards_asked == len(ours) == part.shards_answered + len(part.failed_shards)
        assert {one.shard.corpus for one in part.failed_shards} <= {part.corpus}
        assert part.num_tokens == sum(shard.num_tokens for shard in ours)
        assert part.tokens_searched == sum(shard.num_tokens for shard in searched(ours))
    num_tokens = sum(shard.num_tokens for shard in shards)
    assert coverage.share_searched == coverage.tokens_searched / num_tokens
    assert coverage.complete == (not failed)
    assert coverage.counts_are_lower_bounds == any(shard.fails_search for shard in shards)


@given(partly_broken())
def test_a_partial_trace_is_that_of_the_documents_that_were_searched(
    drawn: tuple[Pipeline, list[OracleShard], TraceRequest],
) -> None:
    pipeline, shards, request = drawn
    if not searched(shards):
        return
    trace = traced(pipeline, request)
    documents = [document for shard in searched(shards) for document in shard.documents]
    query = tokenize(request.answer, ByteTokenizer(), request.options)
    matches = oracle.longest_matches(
        documents, query.token_ids.tolist(), query.word_starts.tolist(), query.cuts.tolist()
    )
    counts = {(match.start, match.end): match.count for match in matches}
    assert trace.num_maximal_spans == len(
        oracle.maximal_spans(matches, request.options.min_span_tokens, request.options.max_count)
    )
    assert all(span.count == counts[span.start, span.end] for span in trace.spans)
    shown = {(document.id.corpus, document.id.shard) for document in trace.documents}
    assert shown.isdisjoint(shard.shard for shard in shards if has_failed(shard))


@given(partly_broken())
def test_a_request_for_all_or_nothing_gets_a_complete_trace_or_an_error(
    drawn: tuple[Pipeline, list[OracleShard], TraceRequest],
) -> None:
    pipeline, shards, request = drawn
    if not searched(shards):
        return
    partial = traced(pipeline, request)
    whole = replace(request, require_complete=True)
    if partial.coverage.complete:
        assert traced(pipeline, whole) == partial
        return
    # Those lost in the search alone, if there are any: then the windows are not asked for.
    named = "|".join(str(one.shard) for one in partial.coverage.failed_shards)
    with pytest.raises(IncompleteAnswerError, match=f"shard ({named}): "):
        traced(pipeline, whole)
    with pytest.raises(IncompleteAnswerError):
        streamed(pipeline, whole)
