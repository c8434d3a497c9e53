"""The values that the pipeline's steps take and return. Plain, frozen, free of transport.

Those that a trace makes by the hundred and the caller never sees are named tuples, which cost less to make.
Ranges are half-open. ``start``/``end`` count tokens, ``start_char``/``end_char`` characters (code points).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from coordinator.read_counts import NO_READS, ReadCounts

Positions = npt.NDArray[np.uint32]
Ranks = npt.NDArray[np.uint64]


class ShardId(NamedTuple):
    """A shard: its corpus, and its number in that corpus's index, from 0. Written ``corpus:number``.

    Shards in the order of their ids, then ranks, are the global order of occurrences.
    """

    corpus: str
    number: int

    def __str__(self) -> str:
        return f"{self.corpus}:{self.number}"


@dataclass(frozen=True, slots=True)
class Query:
    """An answer as tokens, with what no shard may change: where spans may start and end.

    Attributes:
        text: The answer.
        token_ids: n token ids.
        boundaries: n + 1 character offsets that tile the text.
        word_starts: Positions at which a span may start, and another end; ascending.
        cuts: Positions that no span reaches past: those after a delimiter; ascending.
    """

    text: str
    token_ids: Positions
    boundaries: Positions
    word_starts: Positions
    cuts: Positions


@dataclass(frozen=True, slots=True)
class ShardMatches:
    """Longest allowed matches of a query in one shard, ascending by start, none of length zero.

    Attributes:
        shard: The shard that answered.
        starts: First query position of each match.
        ends: End of each match in the query.
        rank_starts: First rank of each match's interval in the shard's suffix array.
        rank_ends: End of each interval; the count is the difference.
        unigram_counts: For every token of the query, its count in the shard.
        num_tokens: Positions in the shard, separators included.
        reads: What the search read.
        withheld: For every match, its occurrences in documents that were taken down; None: none of any. All else is as
            if those documents had never been in the shard.
        withheld_elsewhere: Occurrences of matches that are not here, or shorter, because all of them were taken down.
        view_id: Names the documents that are taken down, and so what the ranks are ranks of; empty: none is.
    """

    shard: ShardId
    starts: Positions
    ends: Positions
    rank_starts: Ranks
    rank_ends: Ranks
    unigram_counts: Ranks
    num_tokens: int
    reads: ReadCounts = NO_READS
    withheld: Ranks | None = None
    withheld_elsewhere: int = 0
    view_id: str = ""


@dataclass(frozen=True, slots=True)
class FailedShard:
    """A shard that did not answer, and why."""

    shard: ShardId
    reason: str


@dataclass(frozen=True, slots=True)
class Answers:
    """Who answered the first round: every shard asked is in exactly one of the two."""

    matches: tuple[ShardMatches, ...]
    failed: tuple[FailedShard, ...]


class RankInterval(NamedTuple):
    """Ranks ``[start, end)`` of one shard's suffix array."""

    shard: ShardId
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class MaximalSpan:
    """A maximal span: tokens ``[start, end)`` of the query, contained in no other.

    ``intervals`` are those of the shards that hold it, in shard order; ``count`` is the sum of their lengths.
    ``withheld_count`` are its occurrences in documents that were taken down, in those shards.
    """

    start: int
    end: int
    count: int
    intervals: tuple[RankInterval, ...]
    unigram_logprob_sum: float
    withheld_count: int = 0


@dataclass(frozen=True, slots=True)
class WindowQuery:
    """Occurrences whose windows one shard is asked for: parallel tuples of ranks and of the tokens that stand there.

    ``view_id`` is that of the answer that the ranks are of.
    """

    ranks: tuple[int, ...]
    token_ids: tuple[tuple[int, ...], ...]
    context_tokens: int
    snippet_tokens: int
    view_id: str = ""

    @property
    def lengths(self) -> tuple[int, ...]:
        """Length of each occurrence, in tokens."""
        return tuple(map(len, self.token_ids))


class DocumentId(NamedTuple):
    """A document: its corpus, its shard, and its number there. Written ``corpus:shard:number``."""

    corpus: str
    shard: int
    number: int

    def __str__(self) -> str:
        return f"{self.corpus}:{self.shard}:{self.number}"


class Window(NamedTuple):
    """The text round one occurrence of a span, clipped to its document.

    ``match_chars`` and ``snippet_chars`` are ranges of ``text``. ``metadata`` is the document's JSON line.
    """

    document: DocumentId
    document_tokens: int
    start: int
    end: int
    match_start: int
    match_token_ids: tuple[int, ...]
    text: str
    match_chars: tuple[int, int]
    snippet_chars: tuple[int, int]
    metadata: str


@dataclass(frozen=True, slots=True)
class ShardWindows:
    """The windows that one shard was asked for, in the order of the query, and what it read for them."""

    windows: tuple[Window, ...]
    reads: ReadCounts = NO_READS


class Occurrence(NamedTuple):
    """A window and the span, by its index among the kept spans, that it was fetched for."""

    span: int
    window: Window


@dataclass(frozen=True, slots=True)
class Retrieved:
    """What the second round brought, of one shard or of all. A span may have lost occurrences to a failed shard."""

    occurrences: tuple[Occurrence, ...] = ()
    failed: tuple[FailedShard, ...] = ()
    reads: ReadCounts = NO_READS


@dataclass(frozen=True, slots=True)
class ShardDescription:
    """What a shard says of itself; the coordinator refuses one that is not of the index it serves.

    ``replicas`` is the number of servers that are to hold it, ``usable_replicas`` of those that answer now.
    """

    shard: ShardId
    index_id: str
    format_version: int
    token_width: int
    tokenizer_sha256: str
    num_tokens: int
    num_documents: int
    replicas: int = 1
    usable_replicas: int = 1
