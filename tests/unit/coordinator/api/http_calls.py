"""The HTTP face called as an ASGI application, without a server."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Any, NamedTuple

from coordinator.access.gate import Gate
from coordinator.api import caller
from coordinator.api.http_api import create_api
from coordinator.metrics import CoordinatorMetrics
from coordinator.readiness import CorpusReadiness, Readiness
from coordinator.results import Count, Coverage, TraceEvent

COVERAGE = Coverage(True, False, 1.0, ())


class Recorder:
    """Stands where the coordinator is: records what it is asked and answers what it was given.

    Its stream yields ``answer``'s items, and raises the one that is an error.
    """

    def __init__(self, answer: Any = None):
        self.answer = answer or Count(2, 3, COVERAGE)
        self.asked: list[Any] = []
        self.callers: list[caller.Caller] = []
        self.ready = True
        self.metrics = CoordinatorMetrics()
        self.gate = Gate()

    async def _reply(self, *asked: Any) -> Any:
        self.asked = list(asked)
        self.callers.append(caller.current())
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    trace = count = describe = _reply
    add_takedowns = lift_takedowns = list_takedowns = preview_takedown = _reply

    async def get_document(self, *asked: Any) -> Any:
        return await self._reply(*asked)

    async def trace_stream(self, *asked: Any) -> AsyncGenerator[TraceEvent, None]:
        self.asked = list(asked)
        self.callers.append(caller.current())
        for item in self.answer:
            if isinstance(item, Exception):
                raise item
            yield item

    def readiness(self) -> Readiness:
        reason = "no server of pre:1 answers"
        return Readiness(self.ready, (CorpusReadiness("pre", 0.5, reason),), "" if self.ready else reason)


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)


def call(
    recorder: Recorder,
    method: str,
    path: str,
    body: bytes | Iterable[bytes] = b"",
    limit: int = 1000,
    content_type: bytes | None = b"application/json",
    headers: Sequence[tuple[bytes, bytes]] = (),
    never_ends: bool = False,
    **how: Any,
) -> Reply:
    """Returns what the application answers; a body given in parts has no announced length.

    ``never_ends`` is a client that does not send the rest of its body.
    """
    parts = [body] if isinstance(body, bytes) else list(body)
    sent_headers = [*headers] if content_type is None else [*headers, (b"content-type", content_type)]
    if isinstance(body, bytes):
        sent_headers.append((b"content-length", str(len(body)).encode()))
    path, _, query = path.partition("?")
    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": query.encode()}
    scope |= {"headers": sent_headers, "http_version": "1.1", "scheme": "http", "server": ("h", 1), "client": ("c", 1)}
    messages: list[Any] = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages[-1]["more_body"] = never_ends
    sent: list[Any] = []

    async def receive() -> Any:
        if not messages:  # the client stays and says nothing
            await asyncio.Event().wait()
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    api = create_api(lambda: recorder, lambda: limit, **how)  # type: ignore[arg-type,return-value]
    asyncio.run(api(scope, receive, send))
    content = b"".join(message.get("body", b"") for message in sent[1:])
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Reply(sent[0]["status"], found, content.decode())


def post(recorder: Recorder, path: str, body: Any, **how: Any) -> Reply:
    return call(recorder, "POST", path, json.dumps(body).encode(), **how)


def recorded(metrics: CoordinatorMetrics) -> dict[tuple[str, str], float]:
    """Returns how many requests were counted, by method and code, and checks that none is counted as under way."""
    found = {}
    for family in metrics.registry.collect():
        for sample in family.samples:
            if sample.name == "headwater_coordinator_request_seconds_count":
                found[sample.labels["method"], sample.labels["code"]] = sample.value
            if sample.name == "headwater_coordinator_requests_in_flight":
                assert sample.value == 0
    return found
