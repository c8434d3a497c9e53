"""Traces and their events without the documents that their caller may not be shown."""

from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace

from coordinator.results import (
    Document,
    DocumentsFound,
    Ranking,
    Relevance,
    SpansFound,
    Trace,
    TraceEvent,
    Withheld,
)
from coordinator.values import DocumentId

_BEST_FIRST = (Relevance.HIGH, Relevance.MEDIUM, Relevance.LOW)


def without_documents(trace: Trace, left_out: Collection[int]) -> Trace:
    """Returns a trace without the documents at some of its indexes. It says how many it withholds.

    Spans and counts stay; a span is as relevant as the best document that is left of it.
    """
    kept = [number for number in range(len(trace.documents)) if number not in left_out]
    renumbered = {old: new for new, old in enumerate(kept)}

    def shown(documents: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(renumbered[number] for number in documents if number in renumbered)

    def relevance(documents: tuple[int, ...]) -> Relevance:
        return _best(trace.documents[number].relevance for number in documents if number in renumbered)

    return replace(
        trace,
        spans=tuple(
            replace(span, documents=shown(span.documents), relevance=relevance(span.documents)) for span in trace.spans
        ),
        merged_spans=tuple(
            replace(span, documents=shown(span.documents), relevance=relevance(span.documents))
            for span in trace.merged_spans
        ),
        documents=tuple(trace.documents[number] for number in kept),
        withheld=_more(trace.withheld, len(trace.documents) - len(kept)),
    )


async def shown_events(
    events: AsyncGenerator[TraceEvent, None],
    left_out: Callable[[Sequence[Document]], Collection[int]],
    on_left_out: Callable[[int], None],
) -> AsyncGenerator[TraceEvent, None]:
    """Yields the events of a trace without the documents that ``left_out`` names; the ranking says how many.

    ``on_left_out`` is told their number, at the end, if there are any.
    """
    shown: dict[DocumentId, tuple[int, ...]] = {}
    groups: list[tuple[int, ...]] = []
    num_spans = 0
    async with aclosing(events):
        async for event in events:
            if isinstance(event, SpansFound):
                num_spans, groups = len(event.spans), [merged.spans for merged in event.merged_spans]
                yield event
            elif isinstance(event, DocumentsFound):
                numbers = left_out(event.documents)
                documents = tuple(each for number, each in enumerate(event.documents) if number not in numbers)
                shown.update((document.id, document.spans) for document in documents)
                if documents:
                    yield DocumentsFound(documents)
            else:
                num_left_out = sum(rank.id not in shown for rank in event.documents)
                if num_left_out:
                    on_left_out(num_left_out)
                    event = _ranking_of(event, shown, num_spans, groups, num_left_out)
                yield event


def _ranking_of(
    ranking: Ranking,
    shown: dict[DocumentId, tuple[int, ...]],
    num_spans: int,
    groups: list[tuple[int, ...]],
    num_left_out: int,
) -> Ranking:
    ranks = [rank for rank in ranking.documents if rank.id in shown]
    of_span: list[set[Relevance]] = [set() for _ in range(num_spans)]
    for rank in ranks:
        for span in shown[rank.id]:
            of_span[span].add(rank.relevance)
    return replace(
        ranking,
        documents=tuple(ranks),
        span_relevances=tuple(map(_best, of_span)),
        merged_span_relevances=tuple(_best(each for span in group for each in of_span[span]) for group in groups),
        withheld=_more(ranking.withheld, num_left_out),
    )


def _best(relevances: Iterable[Relevance]) -> Relevance:
    found = set(relevances)
    return next((each for each in _BEST_FIRST if each in found), Relevance.LOW)


def _more(withheld: Withheld, num_documents: int) -> Withheld:
    return replace(withheld, documents=withheld.documents + num_documents)
