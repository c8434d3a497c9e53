"""A streamed trace over HTTP: server-sent events, as the HTML standard describes them.

Each is a line ``event: `` with its kind, a line ``data: `` with its JSON, and an empty line.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from coordinator.api.http_problems import problem_of
from coordinator.api.json_codec import dumps
from coordinator.api.large_answers import num_chars, off_loop_if_large
from coordinator.api.message_size import in_parts
from coordinator.api.run_ahead import run_ahead
from coordinator.request_record import end_record
from coordinator.results import DocumentsFound, Ranking, SpansFound, TraceEvent

TRACE_STREAM = "/v1/trace/stream"
EVENT_MEDIA_TYPE = "text/event-stream"

KINDS: dict[type[TraceEvent], str] = {SpansFound: "spans", DocumentsFound: "documents", Ranking: "ranking"}
# The last event of a stream that fails in the middle; its data is a problem.
ERROR_KIND = "error"

_HEADERS = {
    "cache-control": "no-store",
    "x-accel-buffering": "no",  # to nginx and those who follow it: pass each event on at once
}


class EventStream(StreamingResponse):
    """The response that tells a trace as it comes about. When the client leaves, the work is cancelled."""

    def __init__(self, first: str, rest: AsyncGenerator[str, None]):
        super().__init__(self._all(), headers=_HEADERS, media_type=EVENT_MEDIA_TYPE)
        self._first = first
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves the response."""
        async with aclosing(self._rest):
            await super().__call__(scope, receive, send)

    async def _all(self) -> AsyncGenerator[str, None]:
        yield self._first
        async for text in self._rest:
            yield text


async def event_stream(events: AsyncGenerator[TraceEvent, None]) -> EventStream:
    """Returns the response of a trace that has begun; what fails before its first event is raised here."""
    texts = run_ahead(_texts(events))
    return EventStream(await anext(texts), texts)


async def _texts(events: AsyncGenerator[TraceEvent, None]) -> AsyncGenerator[str, None]:
    has_begun = False
    try:
        async with aclosing(events):
            async for event in events:
                for part in in_parts(event):
                    content = await off_loop_if_large(_dumps, part, num_chars(part))
                    yield _text(KINDS[type(part)], content)
                    has_begun = True
        end_record("OK")
    except (asyncio.CancelledError, GeneratorExit):
        end_record("CANCELLED")
        raise
    except Exception as error:
        if not has_begun:
            raise
        yield _text(ERROR_KIND, _dumps_problem(problem_of(error)))


def _text(kind: str, content: str) -> str:
    return f"event: {kind}\ndata: {content}\n\n"


def _dumps(event: TraceEvent) -> str:
    return dumps(event, indent=None)


def _dumps_problem(problem: dict[str, Any]) -> str:
    return json.dumps(problem, ensure_ascii=False)
