"""The coordinator, free of any server: a pipeline over the shards of a placement, with limits on time.

The Serve application and plain gRPC and HTTP servers in tests are shells round this class.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Self

from coordinator.cluster.placement import Connections, connect, load_placement
from coordinator.config import CoordinatorConfig
from coordinator.corpus import Corpus
from coordinator.options import RequestLimits
from coordinator.pipeline import Pipeline
from coordinator.readiness import Readiness
from coordinator.requests import CountRequest, TraceRequest
from coordinator.results import Count, Description, DocumentText, Trace, TraceEvent
from coordinator.values import DocumentId
from index_format.manifest import IndexManifest
from index_format.tokenizer import open_tokenizer


class Coordinator:
    """Answers requests. Stateless but for its connections; one event loop."""

    def __init__(self, pipeline: Pipeline, connections: Connections, config: CoordinatorConfig, limits: RequestLimits):
        self._pipeline = pipeline
        self._limits = limits
        self._connections = connections
        self._config = config

    @classmethod
    async def open(cls, config: CoordinatorConfig) -> Self:
        """Returns a coordinator that is connected to the shards of its placement.

        Raises:
            ConfigurationError: the placement is wrong, or a shard that answers is not of the index.
            IndexFormatError: the index's manifest or tokenizer is missing or not what it should be.
        """
        placement = load_placement(config.placement)
        index = IndexManifest.load(placement.index)
        corpus = Corpus.of_index(index)
        tokenizer = open_tokenizer(placement.index, index)
        connections = await connect(
            placement,
            corpus,
            deadline_s=config.connect_timeout_ms / 1000,
            max_message_bytes=config.max_message_bytes,
        )
        limits = RequestLimits()
        return cls(Pipeline(tokenizer, connections.shards, (corpus,), limits), connections, config, limits)

    async def close(self) -> None:
        """Closes the connections."""
        await self._connections.close()

    async def trace(self, request: TraceRequest, timeout_ms: int = 0) -> Trace:
        """Returns the trace of an answer. Raises as `Pipeline.trace` does."""
        return await self._pipeline.trace(request, self._deadline_s(timeout_ms))

    async def trace_stream(self, request: TraceRequest, timeout_ms: int = 0) -> AsyncGenerator[TraceEvent, None]:
        """Yields the trace of an answer as it comes about. Closing it stops the work. Raises as `Pipeline.stream`."""
        async with aclosing(self._pipeline.stream(request, self._deadline_s(timeout_ms))) as events:
            async for event in events:
                yield event

    async def count(self, request: CountRequest, timeout_ms: int = 0) -> Count:
        """Returns how often a text occurs. Raises as `Pipeline.count` does."""
        return await self._pipeline.count(request, self._deadline_s(timeout_ms))

    async def get_document(
        self, document: DocumentId, start: int = 0, max_tokens: int = 0, timeout_ms: int = 0
    ) -> DocumentText:
        """Returns a run of a document; 0 tokens means the most at once. Raises as `Pipeline.get_document`."""
        wanted = max_tokens or self._limits.max_document_tokens
        return await self._pipeline.get_document(document, start, wanted, self._deadline_s(timeout_ms))

    async def describe(self, timeout_ms: int = 0) -> Description:
        """Returns what is served. Raises as `Pipeline.describe` does."""
        return await self._pipeline.describe(self._deadline_s(timeout_ms))

    def readiness(self) -> Readiness:
        """Returns whether requests should be sent here. Asks no shard, costs nothing."""
        return Readiness(ready=True)

    def _deadline_s(self, timeout_ms: int) -> float:
        wanted = timeout_ms or self._config.default_timeout_ms
        return min(wanted, self._config.max_timeout_ms) / 1000
