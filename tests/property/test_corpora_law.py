"""The law of corpora: tracing several together is tracing one index of all their documents."""

import asyncio
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from coordinator.requests import CountRequest, SpanRanking, TraceRequest
from coordinator.results import Trace
from coordinator.steps.tokenize import tokenize
from index_format.tokenizer import ByteTokenizer
from tests import oracle
from tests.oracle_shard import pipeline_over
from tests.property.corpora_texts import Corpora, corpora, requests

DEADLINE_S = 30.0


@st.composite
def served_and_asked(draw: st.DrawFn, min_size: int = 1) -> tuple[Corpora, TraceRequest]:
    served = draw(corpora(min_size))
    return served, draw(requests(served))


def traced(served: Corpora, request: TraceRequest) -> Trace:
    pipeline, _ = pipeline_over(served)
    return replace(asyncio.run(pipeline.trace(request, DEADLINE_S)), timings=None)  # type: ignore[arg-type]


def texts_of(served: Corpora) -> list[str]:
    return [text for shards in served.values() for shard in shards for text in shard]


def fields_of_spans(trace: Trace) -> list[tuple[int, int, str, int]]:
    return [(span.start, span.end, span.text, span.count) for span in trace.spans]


@given(served_and_asked())
def test_spans_and_counts_over_several_corpora_are_those_of_all_their_documents(
    drawn: tuple[Corpora, TraceRequest],
) -> None:
    served, request = drawn
    trace = traced(served, request)
    options = request.options
    documents = [list(text.encode()) for text in texts_of(served)]
    query = tokenize(request.answer, ByteTokenizer(), options)
    tokens = query.token_ids.tolist()
    matches = oracle.longest_matches(documents, tokens, query.word_starts.tolist(), query.cuts.tolist())
    spans = oracle.maximal_spans(matches, options.min_span_tokens, options.max_count)
    assert trace.num_maximal_spans == len(spans)
    if options.span_ranking is SpanRanking.UNIGRAM_LOGPROB_SUM:
        counts = oracle.unigram_counts(documents, 1)
        kept = oracle.kept_spans(spans, tokens, counts, options.max_span_density)
        assert [(s.start, s.end, s.count) for s in trace.spans] == [(m.start, m.end, m.count) for m in kept]
    one = traced({"all": [texts_of(served)]}, request)
    assert fields_of_spans(trace) == fields_of_spans(one)
    assert [(m.start, m.end, m.spans) for m in trace.merged_spans] == [
        (m.start, m.end, m.spans) for m in one.merged_spans
    ]


@given(served_and_asked())
def test_every_document_is_of_the_corpus_shard_and_number_that_it_says(drawn: tuple[Corpora, TraceRequest]) -> None:
    served, request = drawn
    trace = traced(served, request)
    for document in trace.documents:
        name, shard, number = document.id
        text = served[name][shard][number]
        assert (document.corpus, document.stage, document.source) == (name, f"{name}-training", f"{name}:{shard}")
        assert (document.text, document.num_tokens) == (text[document.start : document.end], len(text))
        for snippet in document.snippets:
            assert text[snippet.start : snippet.end] == trace.spans[snippet.span].text
    assert len({document.id for document in trace.documents}) == len(trace.documents)


@given(served_and_asked())
def test_a_span_shown_whole_lists_every_document_that_holds_it_in_any_corpus(
    drawn: tuple[Corpora, TraceRequest],
) -> None:
    served, request = drawn
    trace = traced(served, request)
    for span in trace.spans:
        holders = {
            (name, shard, number)
            for name, shards in served.items()
            for shard, texts in enumerate(shards)
            for number, text in enumerate(texts)
            if span.text in text
        }
        shown = {trace.documents[number].id for number in span.documents}
        assert shown <= holders
        assert shown == holders or span.count > request.options.max_occurrences_per_span


@given(served_and_asked(min_size=2), st.data())
def test_a_trace_of_some_corpora_is_that_of_a_service_that_has_no_others(
    drawn: tuple[Corpora, TraceRequest], data: st.DataObject
) -> None:
    served, request = drawn
    names = data.draw(st.lists(st.sampled_from(list(served)), min_size=1, unique=True))
    alone = {name: shards for name, shards in served.items() if name in names}
    asked = replace(request, corpora=tuple(names))
    trace = traced(served, asked)
    assert trace == traced(alone, request)
    assert [part.corpus for part in trace.coverage.corpora] == list(alone)


@given(served_and_asked(min_size=2), st.data())
def test_the_order_in_which_corpora_are_listed_changes_nothing(
    drawn: tuple[Corpora, TraceRequest], data: st.DataObject
) -> None:
    served, request = drawn
    names = data.draw(st.permutations(list(served)))
    trace, other = traced(served, request), traced({name: served[name] for name in names}, request)
    # Coverage alone is in the order of the list, which is the order of a page.
    assert replace(other, coverage=trace.coverage) == trace
    assert sorted(other.coverage.corpora, key=str) == sorted(trace.coverage.corpora, key=str)
    assert [part.corpus for part in other.coverage.corpora] == names


@given(served_and_asked(), st.data())
def test_a_count_is_that_of_the_corpora_that_were_asked(
    drawn: tuple[Corpora, TraceRequest], data: st.DataObject
) -> None:
    served, request = drawn
    names = data.draw(st.lists(st.sampled_from(list(served)), unique=True))
    pipeline, _ = pipeline_over(served)
    found = asyncio.run(pipeline.count(CountRequest(request.answer, tuple(names)), DEADLINE_S))
    documents = texts_of({name: served[name] for name in names or served})
    assert found.count == oracle.count([list(text) for text in documents], list(request.answer))
    assert [part.corpus for part in found.coverage.corpora] == [name for name in served if name in (names or served)]
