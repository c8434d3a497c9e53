"""One shard at one server, over gRPC: values in, values out, and why a try failed."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import grpc.aio

from coordinator.cluster import shard_codec
from coordinator.cluster.connection_fault import connection_fault
from coordinator.cluster.given_up_call import answer_of
from coordinator.cluster.server_channel import call_metadata
from coordinator.cluster.shard_document import ShardDocument
from coordinator.corpus import Corpus
from coordinator.errors import ConfigurationError, DocumentNotFoundError, WindowMismatchError
from coordinator.steps.retrieve import check_windows
from coordinator.takedown_search import DocumentQuery, FoundDocuments
from coordinator.values import Query, ShardId, ShardMatches, ShardWindows, WindowQuery
from index_format.takedowns import ANOTHER_VIEW
from protos.shard.v1 import shard_pb2_grpc

_T = TypeVar("_T")

# Below what a shard server takes in one call (shard_server/config.py, max_windows and max_window_tokens); a
# request for more is cut into several calls that run at once.
_MAX_WINDOWS = 1024
_MAX_WINDOW_TOKENS = 1_000_000
_MAX_REASON_CHARS = 200


class TryFailedError(Exception):
    """One server gave no good answer; another replica may.

    ``status`` is the name of a gRPC status, ``reason`` one line of bounded length without any content of the request.
    """

    def __init__(self, status: str, reason: str):
        super().__init__(f"{status}: {reason}")
        self.status = status
        self.reason = reason


class AnotherViewError(TryFailedError):
    """A server is well, and answers without other documents than the question is about."""

    def __init__(self, reason: str):
        super().__init__("FAILED_PRECONDITION", reason)


class ShardClient:
    """Asks one server for one shard.

    Every request names the index and the server refuses another one, so that shards of two never mix. Every method
    raises `TryFailedError` when another replica may do better, and otherwise as `coordinator.ports.ShardPort`.
    """

    def __init__(self, corpus: Corpus, number: int, address: str, channel: grpc.aio.Channel):
        self._shard = ShardId(corpus.name, number)
        self._corpus = corpus
        self._index_id = corpus.index.index_id
        self._address = address
        self._stub = shard_pb2_grpc.ShardServiceStub(channel)

    async def longest_matches(self, query: Query, timeout_s: float) -> ShardMatches:
        """Returns the longest allowed match at every allowed start of the query."""
        request = shard_codec.encode_query(self._shard, self._index_id, query)
        response = await self._call(self._stub.LongestMatches, request, timeout_s)
        return _decoded(lambda: shard_codec.decode_matches(self._shard, query, response))

    async def get_windows(self, windows: WindowQuery, timeout_s: float) -> ShardWindows:
        """Returns the windows of one part (`split_windows`), each of which holds the tokens it was asked for."""
        request = shard_codec.encode_windows(self._shard, self._index_id, windows)
        response = await self._call(self._stub.GetWindows, request, timeout_s)
        found = _decoded(lambda: shard_codec.decode_windows(self._shard, windows, response))
        try:
            check_windows(windows, found)
        except WindowMismatchError as error:
            raise TryFailedError("DATA_LOSS", str(error)) from None
        return found

    async def get_document(self, number: int, start: int, max_tokens: int, timeout_s: float) -> ShardDocument:
        """Returns a run of a document."""
        request = shard_codec.encode_document(self._shard, self._index_id, number, start, max_tokens)
        response = await self._call(self._stub.GetDocument, request, timeout_s)
        return _decoded(lambda: shard_codec.decode_document(self._shard, self._corpus.stage, number, response))

    async def find_documents(self, query: DocumentQuery, timeout_s: float) -> FoundDocuments:
        """Returns the documents that a takedown concerns, or near copies of one."""
        request = shard_codec.encode_document_query(self._shard, self._index_id, query)
        response = await self._call(self._stub.FindDocuments, request, timeout_s)
        return _decoded(lambda: shard_codec.decode_found(response))

    async def _call(self, method: Callable[..., Awaitable[Any]], request: object, timeout_s: float) -> Any:
        try:
            response = await answer_of(method(request, timeout=timeout_s, metadata=call_metadata()))
        except grpc.aio.AioRpcError as error:
            raise self._fault(error, timeout_s) from None
        except grpc.aio.UsageError:
            raise TryFailedError("UNAVAILABLE", "the connection was closed") from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody cancelled us: gRPC says so of calls whose channel is closed under them.
            raise TryFailedError("UNAVAILABLE", "the connection was closed") from None
        if response is None:  # what grpc.aio makes of a message that it cannot parse
            raise TryFailedError("INTERNAL", "the answer cannot be read; is the server of the coordinator's version?")
        return response

    def _fault(self, error: grpc.aio.AioRpcError, timeout_s: float) -> Exception:
        status, details = error.code(), reason_of(error)
        if status is grpc.StatusCode.NOT_FOUND:
            return DocumentNotFoundError(details)
        if status is grpc.StatusCode.DEADLINE_EXCEEDED:
            return TryFailedError(status.name, f"no answer within {timeout_s:.3g} s")
        if status is grpc.StatusCode.INVALID_ARGUMENT:
            return ConfigurationError(
                f"{self._address}: shard {self._shard} refused a request that the coordinator holds valid; "
                f"are both of one version, with limits that agree? ({details})"
            )
        if status is grpc.StatusCode.FAILED_PRECONDITION and details.startswith(ANOTHER_VIEW):
            return AnotherViewError(details)
        return TryFailedError(status.name, details)


def split_windows(windows: WindowQuery) -> Iterator[WindowQuery]:
    """Yields ``windows`` in parts that a shard server takes in one call, in order."""
    first = num_tokens = 0
    for index, length in enumerate(windows.lengths):
        tokens = length + 2 * windows.context_tokens
        if index > first and (index - first >= _MAX_WINDOWS or num_tokens + tokens > _MAX_WINDOW_TOKENS):
            yield _part(windows, first, index)
            first, num_tokens = index, 0
        num_tokens += tokens
    if first < len(windows.ranks):
        yield _part(windows, first, len(windows.ranks))


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """Returns a status message on one line of bounded length, shorter still if no connection came about."""
    details = error.details() or error.code().name
    return connection_fault(details) or " ".join(details.split())[:_MAX_REASON_CHARS]


def _part(windows: WindowQuery, start: int, end: int) -> WindowQuery:
    return WindowQuery(
        windows.ranks[start:end],
        windows.token_ids[start:end],
        windows.context_tokens,
        windows.snippet_tokens,
        windows.view_id,
    )


def _decoded(decode: Callable[[], _T]) -> _T:
    try:
        return decode()
    except ConfigurationError as error:
        raise TryFailedError("INTERNAL", str(error)) from None
