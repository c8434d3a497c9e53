"""What came back for a request: first as it came, so that its time can be taken; then read."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from google.protobuf.message import DecodeError

from loadtest.messages import Message
from loadtest.results import BAD_ANSWER
from protos.coordinator.v1 import coordinator_pb2 as pb

OK = "OK"

Answer: TypeAlias = pb.TraceResponse | pb.CountResponse | Sequence[pb.TraceStreamResponse] | Mapping[str, Any]
"""The messages of gRPC, or the JSON of HTTP; of a stream over HTTP its last event."""


class Received(NamedTuple):
    """What came back, unread.

    Attributes:
        code: ``OK``, or why there is no answer.
        parts: The messages of gRPC, or the one body of HTTP.
    """

    code: str
    parts: tuple[bytes, ...] = ()


class Reply(NamedTuple):
    """What became of one request.

    Attributes:
        code: ``OK``, or why there is no answer.
        answer: The answer, read; None without one.
        complete: Whether every shard had a part in it.
        cached: Whether it says that it was made for an earlier request.
        coverage: Share of the tokens that it says were searched, 0 to 1.
    """

    code: str
    answer: Answer | None = None
    complete: bool = False
    cached: bool = False
    coverage: float = 0.0


def read_messages(kind: type[Message], received: Received) -> Reply:
    """Returns what came back over gRPC for a message of a kind, read."""
    if received.code != OK:
        return Reply(received.code)
    try:
        if kind is pb.TraceStreamRequest:
            return _of_stream([pb.TraceStreamResponse.FromString(part) for part in received.parts])
        [content] = received.parts
        if kind is pb.CountRequest:
            count = pb.CountResponse.FromString(content)
            return Reply(OK, count, count.coverage.complete, False, count.coverage.share_searched)
        answer = pb.TraceResponse.FromString(content)
    except (DecodeError, ValueError):
        return Reply(BAD_ANSWER)
    trace = answer.trace
    return Reply(OK, answer, trace.coverage.complete, trace.cached, trace.coverage.share_searched)


def read_body(kind: type[Message], received: Received) -> Reply:
    """Returns what came back over HTTP for a message of a kind, read."""
    if received.code != OK:
        return Reply(received.code)
    [content] = received.parts
    return _of_events(content) if kind is pb.TraceStreamRequest else _of_json(content)


def _of_stream(events: Sequence[pb.TraceStreamResponse]) -> Reply:
    # A stream that ended well has ended with the ranking.
    if not events or events[-1].WhichOneof("event") != "ranking":
        return Reply(BAD_ANSWER)
    ranking = events[-1].ranking
    return Reply(OK, events, ranking.coverage.complete, ranking.cached, ranking.coverage.share_searched)


def _of_events(content: bytes) -> Reply:
    *_, last = content.rstrip(b"\n").rpartition(b"\n\n")
    kind, _, data = last.partition(b"\n")
    if kind == b"event: error":
        return Reply(_code_of_problem(data.removeprefix(b"data: ")))
    if kind != b"event: ranking":
        return Reply(BAD_ANSWER)
    return _of_json(data.removeprefix(b"data: "))


def _of_json(content: bytes) -> Reply:
    try:
        answer = json.loads(content)
        coverage = answer["coverage"]
        return Reply(OK, answer, coverage["complete"], answer.get("cached", False), coverage["share_searched"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return Reply(BAD_ANSWER)


def _code_of_problem(content: bytes) -> str:
    try:
        return http_code(int(json.loads(content)["status"]))
    except (ValueError, KeyError, TypeError):
        return BAD_ANSWER


def http_code(status: int) -> str:
    """Returns the code of an HTTP status."""
    return f"HTTP {status}"
