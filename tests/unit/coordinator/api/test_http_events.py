"""A streamed trace over HTTP: the events, and what happens when it fails or the client leaves."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from coordinator.access.gate import Gate
from coordinator.api.caller import Caller
from coordinator.api.http_api import create_api
from coordinator.api.json_codec import from_json, to_json
from coordinator.errors import InvalidRequestError, NoShardAnsweredError, OverloadedError
from coordinator.metrics import CoordinatorMetrics
from coordinator.requests import TraceOptions, TraceRequest
from coordinator.results import DocumentsFound, Ranking, SpansFound, TraceEvent
from tests.unit.coordinator.api.http_calls import Recorder, post, recorded
from tests.unit.coordinator.api.samples import DOCUMENTS_FOUND, EVENTS, SPANS_FOUND

PATH = "/v1/trace/stream"
KINDS: dict[str, Any] = {"spans": SpansFound, "documents": DocumentsFound, "ranking": Ranking}


def told(text: str) -> list[tuple[str, Any]]:
    """Returns the kind and the content of every event of a stream, read as a browser would."""
    assert text.endswith("\n\n")
    events = []
    for block in text.removesuffix("\n\n").split("\n\n"):
        kind, content = block.split("\n")
        events.append((kind.removeprefix("event: "), json.loads(content.removeprefix("data: "))))
    return events


def test_a_stream_tells_the_events_in_their_order() -> None:
    reply = post(Recorder(EVENTS), PATH, {"answer": "a"})
    assert (reply.status, reply.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    read = [from_json(KINDS[kind], content) for kind, content in told(reply.text)]
    assert read == list(EVENTS)


def test_nothing_on_the_way_is_asked_to_keep_events_back() -> None:
    headers = post(Recorder(EVENTS), PATH, {"answer": "a"}).headers
    assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-store", "no")


def test_a_stream_is_asked_for_as_a_trace_is() -> None:
    recorder = Recorder(EVENTS)
    body = {"answer": "a", "prompt": "p", "options": {"seed": 7}, "corpora": ["pre"], "timeout_ms": 9}
    post(recorder, PATH, body, headers=[(b"x-request-id", b"r-1"), (b"x-client-id", b"team")])
    assert recorder.asked == [TraceRequest("a", "p", TraceOptions(seed=7), ("pre",)), 9]
    assert recorder.callers == [Caller("r-1", "team")]


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (InvalidRequestError("empty"), 400, "invalid-request"),
        (OverloadedError("busy", 2.0), 429, "overloaded"),
        (RuntimeError("secret"), 500, "internal"),
    ],
)
def test_what_fails_before_the_first_event_is_a_plain_problem(error: Exception, status: int, kind: str) -> None:
    reply = post(Recorder([error]), PATH, {"answer": "a"})
    assert (reply.status, reply.headers["content-type"]) == (status, "application/problem+json")
    assert reply.body["type"] == kind


@pytest.mark.parametrize("error", [NoShardAnsweredError("shard pre:1 is gone"), RuntimeError("secret")])
def test_what_fails_in_the_middle_is_a_last_event_with_the_problem(error: Exception) -> None:
    reply = post(Recorder([SPANS_FOUND, error]), PATH, {"answer": "a"}, headers=[(b"x-request-id", b"r-1")])
    assert reply.status == 200
    (first, _), (last, problem) = told(reply.text)
    assert (first, last) == ("spans", "error")
    assert problem["request_id"] == "r-1"
    assert problem["type"] == ("internal" if isinstance(error, RuntimeError) else "no-shard-answered")
    assert "secret" not in reply.text


class Endless:
    """A coordinator whose stream never ends by itself."""

    def __init__(self) -> None:
        self.ended_by: type[BaseException] | None = None
        self.metrics = CoordinatorMetrics()
        self.gate = Gate()

    async def trace_stream(self, *_asked: Any) -> AsyncGenerator[TraceEvent, None]:
        try:
            yield SPANS_FOUND
            yield DOCUMENTS_FOUND
            await asyncio.Event().wait()
        except BaseException as error:
            self.ended_by = type(error)
            raise


@pytest.mark.parametrize("how", ["it says so", "the server cancels"])
def test_when_the_client_leaves_the_work_is_cancelled(how: str) -> None:
    endless = Endless()
    api = create_api(lambda: endless, lambda: 1000)  # type: ignore[arg-type,return-value]

    async def run() -> list[bytes]:
        has_read, leaves, sent = asyncio.Event(), asyncio.Event(), []
        body = [{"type": "http.request", "body": b'{"answer": "a"}', "more_body": False}]

        async def receive() -> Any:
            if body:
                return body.pop()
            await leaves.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message.get("body", b""))
            if len(sent) == 3:
                has_read.set()

        headers = [(b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": PATH, "raw_path": PATH.encode(), "query_string": b""}
        scope |= {"headers": headers, "http_version": "1.1", "scheme": "http", "server": ("h", 1), "client": ("c", 1)}
        serving = asyncio.create_task(api(scope, receive, send))
        await has_read.wait()
        assert endless.ended_by is None
        if how == "it says so":
            leaves.set()
        else:
            serving.cancel()
        await asyncio.wait([serving])
        return sent

    start, first, second = asyncio.run(run())[:3]
    assert (start, first[:13], second[:16]) == (b"", b"event: spans\n", b"event: documents")
    assert endless.ended_by is asyncio.CancelledError
    assert recorded(endless.metrics) == {("TraceStream", "CANCELLED"): 1}


def test_a_reader_that_takes_nothing_is_given_up_and_its_work_with_it(caplog: pytest.LogCaptureFixture) -> None:
    endless = Endless()
    api = create_api(lambda: endless, lambda: 1000, reader_timeout_s=0.01)  # type: ignore[arg-type,return-value]
    caplog.set_level(logging.INFO)

    async def run() -> None:
        body = [{"type": "http.request", "body": b'{"answer": "a"}', "more_body": False}]

        async def receive() -> Any:
            return body.pop() if body else await asyncio.Event().wait()

        async def send(message: Any) -> None:
            if message.get("body"):
                await asyncio.Event().wait()

        headers = [(b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": PATH, "raw_path": PATH.encode(), "query_string": b""}
        scope |= {"headers": headers, "http_version": "1.1", "scheme": "http", "server": ("h", 1), "client": ("c", 1)}
        await asyncio.wait_for(api(scope, receive, send), 5)

    asyncio.run(run())
    assert endless.ended_by is asyncio.CancelledError
    assert "answer given up, its reader takes nothing" in [record.getMessage() for record in caplog.records]


def test_the_json_of_an_event_is_one_line_whatever_its_text() -> None:
    assert "\r\n" in DOCUMENTS_FOUND.documents[0].text
    (_, content) = told(post(Recorder([DOCUMENTS_FOUND]), PATH, {"answer": "a"}).text)[0]
    assert content == to_json(DOCUMENTS_FOUND)


@pytest.mark.parametrize(
    ("items", "code"),
    [
        (EVENTS, "OK"),
        ([OverloadedError("busy", 2.0)], "RESOURCE_EXHAUSTED"),
        ([SPANS_FOUND, NoShardAnsweredError("gone")], "UNAVAILABLE"),
        ([SPANS_FOUND, RuntimeError("secret")], "INTERNAL"),
    ],
)
def test_a_stream_is_counted_once_with_the_status_that_it_ended_with(items: Any, code: str) -> None:
    recorder = Recorder(items)
    post(recorder, PATH, {"answer": "a"})
    assert recorded(recorder.metrics) == {("TraceStream", code): 1}
