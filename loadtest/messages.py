"""The messages that are sent, made of the classes of the protos: they cannot drift from what the server takes."""

import json
from typing import TypeAlias

from google.protobuf.json_format import MessageToDict

from loadtest.corpus_texts import FreshTexts
from loadtest.workloads import Texts, Workload
from protos.coordinator.v1 import coordinator_pb2 as pb

Message: TypeAlias = pb.TraceRequest | pb.TraceStreamRequest | pb.CountRequest

SERVICE = pb.DESCRIPTOR.services_by_name["CoordinatorService"]

_RPCS: dict[type[Message], str] = {
    pb.TraceRequest: "Trace",
    pb.TraceStreamRequest: "TraceStream",
    pb.CountRequest: "Count",
}
_HTTP_PATHS: dict[type[Message], str] = {
    pb.TraceRequest: "/v1/trace",
    pb.TraceStreamRequest: "/v1/trace/stream",
    pb.CountRequest: "/v1/count",
}


class MessageMaker:
    """Makes the messages of a run."""

    def __init__(self, texts: Texts, timeout_ms: int, require_complete: bool, run: str):
        """Takes what they are made of.

        Args:
            texts: The texts.
            timeout_ms: Time that each message gives the server.
            require_complete: Whether an answer that misses a shard shall be an error.
            run: Name of the run, which no other run has: what one has asked must not be in a cache for the next.
        """
        self._texts = texts
        self._fresh = FreshTexts(texts.cuts) if texts.cuts is not None else None
        self._passages = texts.passages
        self._questions = {workload: texts.questions(workload) for workload in Workload}
        self._timeout_ms = timeout_ms
        self._require_complete = require_complete
        self._run = run

    def message(self, workload: Workload, text: int, serial: int) -> Message:
        """Returns a message; a ``serial`` other than 0 makes it one that was never sent.

        A text that is made is made anew for it, so that other pages of the index are read. Besides, and for a recorded
        text instead, there are words at the end of the prompt, which do not change what is searched for: prompts weigh
        in the ranking of documents alone.
        """
        fresh = self._fresh if serial and self._texts.is_made(workload, text) else None
        if workload is Workload.CONTAMINATION:
            passage = fresh.passage(serial) if fresh is not None else self._passages[text]
            return pb.CountRequest(text=passage, timeout_ms=self._timeout_ms, require_complete=self._require_complete)
        kind = pb.TraceStreamRequest if workload is Workload.STREAM else pb.TraceRequest
        question = fresh.question(serial) if fresh is not None else self._questions[workload][text]
        return kind(
            answer=question.answer,
            prompt=f"{question.prompt} ({self._run}-{serial})" if serial else question.prompt,
            timeout_ms=self._timeout_ms,
            require_complete=self._require_complete,
        )


def rpc_path(kind: type[Message]) -> str:
    """Returns the path of the gRPC method that takes these messages."""
    return f"/{SERVICE.full_name}/{_RPCS[kind]}"


def http_path(kind: type[Message]) -> str:
    """Returns the path that takes these messages as JSON."""
    return _HTTP_PATHS[kind]


def http_body(message: Message) -> bytes:
    """Returns the message as the JSON that the server takes over HTTP."""
    return json.dumps(MessageToDict(message, preserving_proto_field_name=True)).encode()
