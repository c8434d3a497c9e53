"""A trace and the events that tell it are the same: from one to the other."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace

from coordinator.results import (
    Document,
    DocumentRank,
    DocumentsFound,
    Ranking,
    Relevance,
    SpansFound,
    Trace,
    TraceEvent,
)


def ranking_of(trace: Trace) -> Ranking:
    """Returns the last event of a trace."""
    return Ranking(
        documents=tuple(
            DocumentRank(document.id, document.score, document.relevance_score, document.relevance)
            for document in trace.documents
        ),
        span_relevances=tuple(span.relevance for span in trace.spans),
        merged_span_relevances=tuple(span.relevance for span in trace.merged_spans),
        coverage=trace.coverage,
        timings=trace.timings,
        stats=trace.stats,
        cached=trace.cached,
        withheld=trace.withheld,
    )


def events_of(trace: Trace) -> Iterator[TraceEvent]:
    """Yields the events of a trace that is already there."""
    yield SpansFound(
        num_tokens=trace.num_tokens,
        spans=tuple(replace(span, relevance=Relevance.UNKNOWN, documents=()) for span in trace.spans),
        merged_spans=tuple(replace(span, relevance=Relevance.UNKNOWN, documents=()) for span in trace.merged_spans),
        num_maximal_spans=trace.num_maximal_spans,
        coverage=trace.coverage,
    )
    if trace.documents:
        yield DocumentsFound(
            tuple(
                replace(document, score=0.0, relevance_score=0.0, relevance=Relevance.UNKNOWN)
                for document in trace.documents
            )
        )
    yield ranking_of(trace)


def trace_of(answer: str, events: Iterable[TraceEvent]) -> Trace:
    """Returns the trace of ``answer`` that some events tell.

    Raises:
        ValueError: they do not begin with spans or end with a ranking.
    """
    searched: SpansFound | None = None
    found: dict[object, Document] = {}
    for event in events:
        if isinstance(event, SpansFound):
            searched = event
        elif isinstance(event, DocumentsFound):
            found.update((document.id, document) for document in event.documents)
        elif searched is not None:
            return _ranked(answer, searched, found, event)
    raise ValueError("the events of the trace are not complete")


def _ranked(answer: str, searched: SpansFound, found: dict[object, Document], ranking: Ranking) -> Trace:
    documents = tuple(
        replace(found[rank.id], score=rank.score, relevance_score=rank.relevance_score, relevance=rank.relevance)
        for rank in ranking.documents
    )
    of_span: dict[int, list[int]] = defaultdict(list)
    for number, document in enumerate(documents):
        for span in document.spans:
            of_span[span].append(number)
    return Trace(
        answer=answer,
        num_tokens=searched.num_tokens,
        spans=tuple(
            replace(span, relevance=relevance, documents=tuple(of_span[number]))
            for number, (span, relevance) in enumerate(zip(searched.spans, ranking.span_relevances, strict=True))
        ),
        merged_spans=tuple(
            replace(
                span,
                relevance=relevance,
                documents=tuple(sorted({number for each in span.spans for number in of_span[each]})),
            )
            for span, relevance in zip(searched.merged_spans, ranking.merged_span_relevances, strict=True)
        ),
        documents=documents,
        num_maximal_spans=searched.num_maximal_spans,
        coverage=ranking.coverage,
        timings=ranking.timings,
        stats=ranking.stats,
        cached=ranking.cached,
        withheld=ranking.withheld,
    )
