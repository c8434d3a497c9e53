"""Who is told how many occurrences were taken down.

For one text the number says whether the text stands in what was taken down: whoever has a candidate could have it
confirmed. So it is for administrators, and where no keys are set for whoever asks. All others are told the same
whatever they ask: that documents of the corpora that they asked were taken down.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from coordinator.access.roles import Role
from coordinator.api.caller import Caller
from coordinator.results import Count, Ranking, Span, SpansFound, Trace, TraceEvent, Withheld
from protos.coordinator.v1 import coordinator_pb2 as pb


def is_told(caller: Caller) -> bool:
    """Returns whether a caller is told the numbers."""
    return caller.holder is None or Role.ADMIN in caller.holder.roles


def untold_trace(trace: Trace, is_any: bool) -> Trace:
    """Returns a trace without the numbers; ``is_any`` is whether anything is withheld of the corpora asked."""
    return replace(trace, spans=_untold_spans(trace.spans), withheld=_untold(trace.withheld, is_any))


def untold_count(count: Count, is_any: bool) -> Count:
    """Returns a count without the number."""
    return replace(count, withheld=_untold(count.withheld, is_any))


def untell_response(response: pb.TraceResponse, is_any: bool) -> None:
    """Takes the numbers out of the message of a trace."""
    trace = response.trace
    for span in trace.spans:
        span.ClearField("withheld_count")
    trace.withheld.ClearField("occurrences")
    trace.withheld.occurrences_untold = is_any
    if trace.withheld == pb.Withheld():
        trace.ClearField("withheld")


async def untold_events(events: AsyncGenerator[TraceEvent, None], is_any: bool) -> AsyncGenerator[TraceEvent, None]:
    """Yields the events of a trace without the numbers."""
    async with aclosing(events):
        async for event in events:
            if isinstance(event, SpansFound):
                event = replace(event, spans=_untold_spans(event.spans))
            elif isinstance(event, Ranking):
                event = replace(event, withheld=_untold(event.withheld, is_any))
            yield event


def _untold_spans(spans: tuple[Span, ...]) -> tuple[Span, ...]:
    return tuple(replace(span, withheld_count=0) if span.withheld_count else span for span in spans)


def _untold(withheld: Withheld, is_any: bool) -> Withheld:
    return replace(withheld, occurrences=0, occurrences_untold=is_any)
