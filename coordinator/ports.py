"""What the pipeline needs of a shard: over gRPC (`shard_client`), or in process (`headwater.embedded_shard`)."""

from typing import Protocol

from coordinator.results import DocumentText
from coordinator.values import Query, ShardDescription, ShardId, ShardMatches, ShardWindows, WindowQuery


class ShardPort(Protocol):
    """One shard. Every method raises `ShardUnavailableError` if the shard does not answer before the deadline.

    Deadlines are seconds from now.
    """

    @property
    def shard(self) -> ShardId:
        """Which shard of which corpus it is."""

    async def describe(self, deadline_s: float) -> ShardDescription:
        """Returns what the shard says of itself."""

    async def longest_matches(self, query: Query, deadline_s: float) -> ShardMatches:
        """Returns the longest allowed match at every allowed start of the query."""

    async def get_windows(self, windows: WindowQuery, deadline_s: float) -> ShardWindows:
        """Returns the windows of ``windows.ranks``, in their order."""

    async def get_document(self, number: int, start: int, max_tokens: int, deadline_s: float) -> DocumentText:
        """Returns up to ``max_tokens`` tokens of a document from ``start`` on.

        Raises:
            DocumentNotFoundError: the shard has no such document, or ``start`` is past its end.
        """
