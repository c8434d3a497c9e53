"""A trace without some documents, whole or as it comes about, is the same, and hangs together."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from coordinator.access.shown_traces import shown_events, without_documents
from coordinator.results import Relevance, Trace, TraceEvent, Withheld
from coordinator.streaming import events_of, trace_of
from tests.unit.coordinator.api.samples import TRACE

BASE = TRACE.documents[0]


def trace_of_four() -> Trace:
    """Returns a trace of 3 spans, the first two under one highlight; document i holds the spans of its bits."""
    holds = [(0, 1), (1,), (2,), (0, 2)]
    relevances = [Relevance.HIGH, Relevance.LOW, Relevance.MEDIUM, Relevance.LOW]
    documents = tuple(
        replace(BASE, id=BASE.id._replace(number=number), spans=spans, relevance=relevance, text=f"text {number}")
        for number, (spans, relevance) in enumerate(zip(holds, relevances, strict=True))
    )

    def found(*spans: int) -> tuple[tuple[int, ...], Relevance]:
        of = tuple(number for number, each in enumerate(holds) if set(each) & set(spans))
        order = (Relevance.HIGH, Relevance.MEDIUM, Relevance.LOW)
        return of, min((relevances[number] for number in of), key=order.index, default=Relevance.LOW)

    spans = tuple(
        replace(TRACE.spans[0], start=3 * n, end=3 * n + 2, documents=found(n)[0], relevance=found(n)[1])
        for n in range(3)
    )
    merged = tuple(
        replace(TRACE.merged_spans[0], spans=group, documents=found(*group)[0], relevance=found(*group)[1])
        for group in ((0, 1), (2,))
    )
    return replace(TRACE, spans=spans, merged_spans=merged, documents=documents, withheld=Withheld(5, 6, 7))


async def told(trace: Trace) -> AsyncGenerator[TraceEvent, None]:
    for event in events_of(trace):
        yield event


@pytest.mark.parametrize("left_out", [set(), {0}, {3}, {0, 3}, {1, 2}, {0, 1, 2, 3}])
def test_a_stream_and_a_trace_leave_out_the_same(left_out: set[int]) -> None:
    trace = trace_of_four()
    expected = without_documents(trace, left_out)
    counted: list[int] = []

    async def scenario() -> list[TraceEvent]:
        shown = shown_events(told(trace), lambda _: left_out, counted.append)
        return [event async for event in shown]

    assert trace_of(trace.answer, asyncio.run(scenario())) == expected
    assert counted == ([len(left_out)] if left_out else [])


def test_a_trace_without_documents_says_so_and_hangs_together() -> None:
    trace = trace_of_four()
    found = without_documents(trace, {0})
    assert [document.text for document in found.documents] == ["text 1", "text 2", "text 3"]
    assert [span.documents for span in found.spans] == [(2,), (0,), (1, 2)]
    assert [span.relevance for span in found.spans] == [Relevance.LOW, Relevance.LOW, Relevance.MEDIUM]
    assert [(span.documents, span.relevance) for span in found.merged_spans] == [
        ((0, 2), Relevance.LOW),
        ((1, 2), Relevance.MEDIUM),
    ]
    assert found.withheld == Withheld(5, 6, 8)
    assert [span.count for span in found.spans] == [span.count for span in trace.spans]
    assert without_documents(trace, ()) == trace
