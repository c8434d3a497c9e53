"""What a shard is asked about the documents of a takedown, and what it answers."""

from dataclasses import dataclass

from index_format.takedowns import ContentTarget, Takedown


@dataclass(frozen=True, slots=True)
class DocumentQuery:
    """Which documents of a shard are looked for: those that a takedown concerns, or near copies of one.

    Attributes:
        takedown: What it concerns.
        max_documents: Most documents to return.
        max_token_ids: Most token ids to return of each.
        min_copied_share: Look for near copies instead, with at least this share of the windows of ``copied_token_ids``;
            0: do not.
        copied_token_ids: Of what they are to be copies: token ids, u32 little-endian.
    """

    takedown: Takedown
    max_documents: int
    max_token_ids: int = 0
    min_copied_share: float = 0.0
    copied_token_ids: bytes = b""


@dataclass(frozen=True, slots=True)
class FoundDocument:
    """A document of a shard. ``token_ids`` are the first ones, u32 little-endian, as many as were asked for."""

    number: int
    num_tokens: int
    metadata: str
    content: ContentTarget
    copied_share: float
    token_ids: bytes


@dataclass(frozen=True, slots=True)
class FoundDocuments:
    """The first documents of ``num_documents`` that were found, in the order of their numbers."""

    documents: tuple[FoundDocument, ...]
    num_documents: int
