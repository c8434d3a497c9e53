"""A shard behind gRPC: `ShardPort` over one channel a server, which all shards on that server share."""

import asyncio
from collections.abc import Awaitable, Iterator
from typing import TypeVar

import grpc.aio

from coordinator.cluster import shard_codec
from coordinator.cluster.connection_fault import connection_fault
from coordinator.corpus import Corpus
from coordinator.errors import ConfigurationError, DocumentNotFoundError, ShardUnavailableError
from coordinator.read_counts import NO_READS
from coordinator.results import DocumentText
from coordinator.values import Query, ShardDescription, ShardId, ShardMatches, ShardWindows, WindowQuery
from protos.shard.v1 import shard_pb2, shard_pb2_grpc

_T = TypeVar("_T")

# Below what a shard server takes in one call (shard_server/config.py, max_windows and max_window_tokens); a
# request for more is cut into several calls that run at once.
_MAX_WINDOWS = 1024
_MAX_WINDOW_TOKENS = 1_000_000
_MAX_REASON_CHARS = 200


def open_channel(address: str, max_message_bytes: int) -> grpc.aio.Channel:
    """Returns a channel to a shard server. It connects by itself, and again when the server comes back."""
    options = [
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
        # Only both together notice a frozen server (measured on grpcio 1.85: within 1 s under traffic).
        ("grpc.keepalive_time_ms", 10_000),
        ("grpc.http2.ping_timeout_ms", 1_000),
        # The default waits up to two minutes before it looks for a restarted server.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 1_000),
        ("grpc.max_reconnect_backoff_ms", 2_000),
    ]
    return grpc.aio.insecure_channel(address, options=options)


class GrpcShard:
    """One shard of a shard server. Implements `coordinator.ports.ShardPort`.

    Every request names the index and the server refuses another one, so that shards of two never mix.
    """

    def __init__(self, corpus: Corpus, number: int, address: str, channel: grpc.aio.Channel):
        self._shard = ShardId(corpus.name, number)
        self._corpus = corpus
        self._index_id = corpus.index.index_id
        self._address = address
        self._stub = shard_pb2_grpc.ShardServiceStub(channel)

    @property
    def shard(self) -> ShardId:
        """Which shard of which corpus it is."""
        return self._shard

    @property
    def address(self) -> str:
        """Where the shard's server listens."""
        return self._address

    async def describe(self, deadline_s: float) -> ShardDescription:
        """See `ShardPort.describe`.

        Raises:
            ConfigurationError: the server does not hold the shard.
        """
        response = await self._call(self._stub.Describe(shard_pb2.DescribeRequest(), timeout=deadline_s), deadline_s)
        descriptions = shard_codec.decode_descriptions(self._corpus.name, response)
        if self._shard not in descriptions:
            held = ", ".join(map(str, descriptions)) or "none"
            raise ConfigurationError(f"{self._address}: shard {self._shard} is not there, the server holds {held}")
        return descriptions[self._shard]

    async def longest_matches(self, query: Query, deadline_s: float) -> ShardMatches:
        """See `ShardPort.longest_matches`."""
        request = shard_codec.encode_query(self._shard, self._index_id, query)
        response = await self._call(self._stub.LongestMatches(request, timeout=deadline_s), deadline_s)
        return shard_codec.decode_matches(self._shard, query, response)

    async def get_windows(self, windows: WindowQuery, deadline_s: float) -> ShardWindows:
        """See `ShardPort.get_windows`."""
        parts = tuple(split_windows(windows))
        if len(parts) == 1:
            return await self._get_windows(windows, deadline_s)
        answers = await asyncio.gather(*(self._get_windows(part, deadline_s) for part in parts))
        return ShardWindows(
            windows=tuple(window for answer in answers for window in answer.windows),
            reads=sum((answer.reads for answer in answers), NO_READS),
        )

    async def get_document(self, number: int, start: int, max_tokens: int, deadline_s: float) -> DocumentText:
        """See `ShardPort.get_document`."""
        request = shard_pb2.GetDocumentRequest(
            shard=self._shard.number, index_id=self._index_id, document=number, start=start, max_tokens=max_tokens
        )
        response = await self._call(self._stub.GetDocument(request, timeout=deadline_s), deadline_s)
        return shard_codec.decode_document(self._shard, self._corpus.stage, number, response)

    async def _get_windows(self, windows: WindowQuery, deadline_s: float) -> ShardWindows:
        request = shard_codec.encode_windows(self._shard, self._index_id, windows)
        response = await self._call(self._stub.GetWindows(request, timeout=deadline_s), deadline_s)
        return shard_codec.decode_windows(self._shard, windows, response)

    async def _call(self, call: Awaitable[_T], deadline_s: float) -> _T:
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            raise self._fault(error, deadline_s) from None

    def _fault(self, error: grpc.aio.AioRpcError, deadline_s: float) -> Exception:
        status, details = error.code(), _reason(error.details() or "")
        if status is grpc.StatusCode.NOT_FOUND:
            return DocumentNotFoundError(details)
        if status is grpc.StatusCode.DEADLINE_EXCEEDED:
            return ShardUnavailableError(f"{self._address}: no answer within {deadline_s:.3g} s")
        if status is grpc.StatusCode.INVALID_ARGUMENT:
            return ConfigurationError(
                f"{self._address}: shard {self._shard} refused a request that the coordinator holds valid; "
                f"are both of one version, with limits that agree? ({details})"
            )
        return ShardUnavailableError(f"{self._address}: {status.name}: {details}")


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


def _part(windows: WindowQuery, start: int, end: int) -> WindowQuery:
    return WindowQuery(
        windows.ranks[start:end], windows.token_ids[start:end], windows.context_tokens, windows.snippet_tokens
    )


def _reason(details: str) -> str:
    """Returns a status message on one line of bounded length, shorter still if no connection came about."""
    return connection_fault(details) or " ".join(details.split())[:_MAX_REASON_CHARS]
