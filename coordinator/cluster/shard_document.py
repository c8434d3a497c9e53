"""A run of a document, as one server answers it."""

from typing import NamedTuple

from coordinator.results import DocumentText


class ShardDocument(NamedTuple):
    """A run of a document, and which view of its shard it was read in, as `ShardMatches.view_id` says it."""

    document: DocumentText
    view_id: str
