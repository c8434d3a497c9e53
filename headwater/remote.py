"""An index behind a coordinator: the same calls as on an embedded one, over gRPC, with the same values and errors."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Self, TypeVar, cast

import grpc

from coordinator.api import codec
from coordinator.api.description_codec import decode_description
from coordinator.api.event_codec import decode_event
from coordinator.api.message_size import MAX_MESSAGE_BYTES
from coordinator.api.request_codec import encode_count_request, encode_trace_request
from coordinator.api.rich_status import error_of
from coordinator.cluster.connection_fault import connection_fault
from coordinator.errors import (
    CoordinatorError,
    InvalidRequestError,
    OverloadedError,
    RequestTooLargeError,
    ShardUnavailableError,
)
from coordinator.requests import CountRequest, TraceOptions, TraceRequest
from coordinator.results import Count, Description, DocumentText, Ranking, Trace, TraceEvent
from coordinator.values import DocumentId
from headwater.address import checked_address
from headwater.connection import Connection
from protos.coordinator.v1 import coordinator_pb2 as pb
from protos.coordinator.v1 import coordinator_pb2_grpc

_T = TypeVar("_T")

DEFAULT_TIMEOUT_S = 30.0
DEFAULT_DOCUMENT_TOKENS = 2_000
# The coordinator answers within the time it is given; the connection gets this much more for the way back.
_MARGIN_S = 2.0
# When to come back after a refusal that does not say.
_RETRY_AFTER_S = 1.0

# Every call is a read, so one that reached no coordinator, or lost it, may be made again. Where the coordinator itself
# says UNAVAILABLE it has tried all replicas and tells gRPC not to; when to come back after RESOURCE_EXHAUSTED is up to
# the caller.
_RETRIES = {
    "methodConfig": [
        {
            "name": [{"service": pb.DESCRIPTOR.services_by_name["CoordinatorService"].full_name}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    # When calls fail in a row, more calls are the last thing that helps: after 50 none is made again till some succeed.
    "retryThrottling": {"maxTokens": 100, "tokenRatio": 1},
}

_CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.service_config", json.dumps(_RETRIES)),
    # What is kept to send again; a longer request is sent once only. The longest prompt and answer are 1 MB.
    ("grpc.per_rpc_retry_buffer_size", 4 * 1024 * 1024),
    # The default waits a second before it connects again, longer than all retries of a call, and 20 for a connection.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # A coordinator whose machine is gone says nothing: while a call waits, ask whether it is there. Both are needed,
    # and servers that are not told otherwise bear three such questions a call.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 3_000),
)

# What gRPC says of a server that speaks HTTP/2 without gRPC, and of one that speaks HTTP/1 alone.
_SIGNS_OF_HTTP = ("Received http2 header with status", "http1.x server")
# ... of a message over the limit of either side
_SIGN_OF_SIZE = "message larger than max"
# ... and of a proxy for gRPC that finds no server behind it.
_SIGN_OF_A_PROXY = re.compile(r"Received http2 header with status: (5\d\d)")


class RemoteIndex:
    """A connection to a coordinator. Safe to call from several threads."""

    def __init__(self, target: str, connection: Connection | None = None):
        """Connects to ``host:port`` at the first call (see `headwater.connect`)."""
        connection = connection or Connection()
        self._target = target
        self._metadata = connection.metadata()
        self._channel = connection.open_channel(target, _CHANNEL_OPTIONS)
        self._stub = coordinator_pb2_grpc.CoordinatorServiceStub(self._channel)

    def trace(
        self,
        answer: str,
        prompt: str = "",
        options: TraceOptions | None = None,
        *,
        corpora: Sequence[str] = (),
        require_complete: bool = False,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> Trace:
        """Traces an answer to the documents that hold its passages.

        Args:
            answer: What the model wrote.
            prompt: What it was asked; weighs in the ranking of documents, is not traced itself.
            options: How to trace; by default as OLMoTrace does.
            corpora: Names of the corpora to search; none means every one.
            require_complete: Whether a trace that misses a shard is an error instead.
            timeout_s: Seconds after which shards that have not answered are reported as failed.

        Raises:
            InvalidRequestError: the answer is empty or too long, or an option is out of range.
            NoShardAnsweredError: no shard answered.
            IncompleteAnswerError: a shard did not, and all are required.
            ShardUnavailableError: the coordinator itself does not answer.
        """
        request = TraceRequest(answer, prompt, options or TraceOptions(), tuple(corpora), require_complete)
        message = encode_trace_request(request, milliseconds(timeout_s), pb.TraceRequest)
        return codec.decode_trace(self._call(self._stub.Trace, message, timeout_s))

    def trace_stream(
        self,
        answer: str,
        prompt: str = "",
        options: TraceOptions | None = None,
        *,
        corpora: Sequence[str] = (),
        require_complete: bool = False,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> Iterator[TraceEvent]:
        """Yields the events of a trace as it comes about: spans, documents, ranking.

        Closing the iterator early stops the work on the shards. Arguments and errors are those of `trace`.
        """
        request = TraceRequest(answer, prompt, options or TraceOptions(), tuple(corpora), require_complete)
        message = encode_trace_request(request, milliseconds(timeout_s), pb.TraceStreamRequest)
        call = self._stub.TraceStream(message, timeout=timeout_s + _MARGIN_S, metadata=self._metadata)
        is_complete = False
        try:
            for response in call:
                if not response.ByteSize():  # a status follows
                    continue
                event = decode_event(response)
                is_complete = isinstance(event, Ranking)
                yield event
        except grpc.RpcError as error:
            raise self._fault(error, timeout_s) from error
        finally:
            call.cancel()  # type: ignore[no-untyped-call]
        if not is_complete:  # a proxy on the way may lose the status of a stream that fails
            raise ShardUnavailableError(f"{self._target}: the stream ended before its ranking")

    def count(
        self,
        text: str,
        *,
        corpora: Sequence[str] = (),
        require_complete: bool = False,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> Count:
        """Counts how often a text occurs, token for token. Arguments and errors are as in `trace`."""
        request = CountRequest(text, tuple(corpora), require_complete)
        message = encode_count_request(request, milliseconds(timeout_s))
        return codec.decode_count(self._call(self._stub.Count, message, timeout_s))

    def document(
        self,
        id: DocumentId | str,
        start: int = 0,
        max_tokens: int = DEFAULT_DOCUMENT_TOKENS,
        *,
        index_id: str = "",
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> DocumentText:
        """Returns up to ``max_tokens`` tokens of a document from ``start`` on.

        ``id`` may be written ``"corpus:shard:number"``. It names a document of one index only: ``index_id``, as the
        coverage of a trace tells it, makes sure that this is the one meant.

        Raises:
            GenerationGoneError: another index than ``index_id`` is served by now.
            DocumentNotFoundError: there is no such document, or ``start`` is past its end.
            InvalidRequestError: the range is impossible.
        """
        try:
            message = pb.GetDocumentRequest(
                id=str(id),
                start=start,
                max_tokens=max_tokens,
                timeout_ms=milliseconds(timeout_s),
                index_id=index_id,
            )
        except ValueError as error:
            raise InvalidRequestError(f"start {start} and max_tokens {max_tokens}: {error}") from error
        return codec.decode_document_text(self._call(self._stub.GetDocument, message, timeout_s))

    def describe(self, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> Description:
        """Returns what the index holds, and the limits on a request."""
        message = pb.DescribeRequest(timeout_ms=milliseconds(timeout_s))
        return decode_description(self._call(self._stub.Describe, message, timeout_s).description)

    def close(self) -> None:
        """Closes the connection; closing again does nothing."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, method: Callable[..., _T], message: object, timeout_s: float) -> _T:
        try:
            return method(message, timeout=timeout_s + _MARGIN_S, metadata=self._metadata)
        except grpc.RpcError as error:
            raise self._fault(error, timeout_s) from error

    def _fault(self, error: grpc.RpcError, timeout_s: float) -> CoordinatorError:
        call = cast(grpc.Call, error)  # what a stub raises is both
        if (told := error_of(call)) is not None:
            return told
        status, details = call.code(), call.details() or ""
        if status is grpc.StatusCode.DEADLINE_EXCEEDED:
            return ShardUnavailableError(f"{self._target}: no answer within {timeout_s:.3g} s")
        if proxy := _SIGN_OF_A_PROXY.search(details):
            return ShardUnavailableError(f"{self._target}: a proxy finds no coordinator there (HTTP {proxy[1]})")
        if any(sign in details for sign in _SIGNS_OF_HTTP):
            return ShardUnavailableError(
                f"{self._target}: answers HTTP but not gRPC; this looks like the coordinator's HTTP port, "
                "connect to its gRPC port"
            )
        if status is grpc.StatusCode.RESOURCE_EXHAUSTED:  # told by gRPC or Serve, before the coordinator saw the call
            if _SIGN_OF_SIZE in details:
                return RequestTooLargeError(f"{self._target}: request or answer: {details}")
            return OverloadedError(f"{self._target}: {details}", _RETRY_AFTER_S)
        if status is grpc.StatusCode.UNAVAILABLE and (reason := connection_fault(details)):
            return ShardUnavailableError(f"{self._target}: no coordinator answers there ({reason})")
        return ShardUnavailableError(f"{self._target}: {status.name}: {details}")


def connect(target: str, connection: Connection | None = None) -> RemoteIndex:
    """Returns the index behind the coordinator at ``host:port``. Nothing is sent before the first call.

    Raises:
        InvalidRequestError: ``target`` is not ``host:port``, or what goes with it is wrong.
    """
    return RemoteIndex(checked_address(target), connection)


def milliseconds(timeout_s: float) -> int:
    """Returns the time to answer in as requests say it.

    Raises:
        InvalidRequestError: it is out of range.
    """
    if not 0.001 <= timeout_s <= 86_400:
        raise InvalidRequestError(f"timeout is {timeout_s} s, expected 0.001 to 86400")
    return round(timeout_s * 1000)
