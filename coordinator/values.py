"""The values that the pipeline's steps take and return. Plain, frozen, free of transport.

Those that a trace makes by the hundred and the caller never sees are named tuples, which cost less to make.
Ranges are half-open. ``start``/``end`` count tokens, ``start_char``/``end_char`` characters (code points).
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NewType

import numpy as np
import numpy.typing as npt

from coordinator.read_counts import NO_READS, ReadCounts, TraceStats

ShardId = NewType("ShardId", int)
"""Number of a shard in its index, from 0. Shards in this order, then ranks, are the global order of occurrences."""

Positions = npt.NDArray[np.uint32]
Ranks = npt.NDArray[np.uint64]


class SpanRanking(enum.StrEnum):
    """Which maximal spans are kept when there are more than the density allows."""

    UNIGRAM_LOGPROB_SUM = "unigram_logprob_sum"
    LENGTH = "length"


class Relevance(enum.StrEnum):
    """How relevant a document or span is, as OLMoTrace colours it."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class TraceOptions:
    """How to trace. The defaults are what production OLMoTrace sends (olmo-api), checked by `options.check_request`.

    Attributes:
        delimiters: Texts of single tokens that a span holds only as its last token.
        allow_partial_words: Whether spans may start and end inside words.
        min_span_tokens: Shortest span, in tokens.
        max_count: Spans that occur more often than this are dropped.
        max_span_density: At most ceil(max_span_density x answer tokens) spans are kept.
        span_ranking: Which spans are kept: the least likely by unigrams, or the longest.
        max_occurrences_per_span: Occurrences drawn of each span.
        context_tokens: Tokens on each side of an occurrence that are read, ranked on and returned.
        snippet_tokens: Tokens on each side of an occurrence that a card shows.
        seed: Seed of the draw.
    """

    delimiters: tuple[str, ...] = ("\n", ".")
    allow_partial_words: bool = False
    min_span_tokens: int = 1
    max_count: int = 1_000_000
    max_span_density: float = 0.05
    span_ranking: SpanRanking = SpanRanking.UNIGRAM_LOGPROB_SUM
    max_occurrences_per_span: int = 10
    context_tokens: int = 250
    snippet_tokens: int = 40
    seed: int = 42


@dataclass(frozen=True, slots=True)
class TraceRequest:
    """One answer to trace. The prompt is not traced: it only weighs in the ranking of documents."""

    answer: str
    prompt: str = ""
    options: TraceOptions = field(default_factory=TraceOptions)


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
    """

    shard: ShardId
    starts: Positions
    ends: Positions
    rank_starts: Ranks
    rank_ends: Ranks
    unigram_counts: Ranks
    num_tokens: int
    reads: ReadCounts = NO_READS


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
    """

    start: int
    end: int
    count: int
    intervals: tuple[RankInterval, ...]
    unigram_logprob_sum: float


@dataclass(frozen=True, slots=True)
class WindowQuery:
    """Occurrences whose windows one shard is asked for: parallel tuples of ranks and of lengths in tokens."""

    ranks: tuple[int, ...]
    lengths: tuple[int, ...]
    context_tokens: int
    snippet_tokens: int


class DocumentId(NamedTuple):
    """A document of an index: its shard, and its number there. Written ``shard:number``."""

    shard: ShardId
    number: int

    def __str__(self) -> str:
        return f"{self.shard}:{self.number}"


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
    """Who answered the second round. A span may have lost occurrences to a failed shard."""

    occurrences: tuple[Occurrence, ...]
    failed: tuple[FailedShard, ...]
    reads: ReadCounts = NO_READS


@dataclass(frozen=True, slots=True)
class Snippet:
    """What a card shows of a document: the text round one occurrence, with the span's place in it.

    ``span`` is an index into `Trace.spans`; ``start``/``end`` are the occurrence's tokens in the document.
    """

    text: str
    start_char: int
    end_char: int
    span: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Span:
    """A kept span of the answer. ``count`` is its number of occurrences over all shards that answered."""

    start: int
    end: int
    start_char: int
    end_char: int
    text: str
    count: int
    unigram_logprob_sum: float
    relevance: Relevance
    documents: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MergedSpan:
    """Kept spans that overlap, as one highlight. ``spans`` and ``documents`` are indexes into the trace's lists."""

    start: int
    end: int
    start_char: int
    end_char: int
    text: str
    relevance: Relevance
    spans: tuple[int, ...]
    documents: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A document that holds at least one kept span.

    ``score`` is the BM25 score of its first-seen window, ``relevance_score`` that score scaled to 0..1 by the answer's
    length. ``text`` is that window, ``[start, end)`` of the document's ``num_tokens``.
    """

    id: DocumentId
    source: str
    url: str
    metadata: Mapping[str, Any]
    num_tokens: int
    start: int
    end: int
    text: str
    score: float
    relevance_score: float
    relevance: Relevance
    snippets: tuple[Snippet, ...]
    spans: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Coverage:
    """What was searched.

    ``complete`` is true if every shard answered both rounds; otherwise counts are lower bounds.
    """

    shards_asked: int
    shards_answered: int
    tokens_searched: int
    complete: bool
    failed_shards: tuple[FailedShard, ...]


@dataclass(frozen=True, slots=True)
class Timings:
    """Wall time of each step, in milliseconds."""

    tokenize_ms: float
    search_ms: float
    filter_ms: float
    retrieve_ms: float
    rank_ms: float
    total_ms: float


@dataclass(frozen=True, slots=True)
class Trace:
    """An answer traced: kept spans in reading order, their merged highlights, documents most relevant first."""

    answer: str
    num_tokens: int
    spans: tuple[Span, ...]
    merged_spans: tuple[MergedSpan, ...]
    documents: tuple[Document, ...]
    num_maximal_spans: int
    coverage: Coverage
    timings: Timings
    stats: TraceStats
    index_id: str


@dataclass(frozen=True, slots=True)
class Count:
    """How often a text occurs in the shards that answered; a lower bound unless the coverage is complete."""

    num_tokens: int
    count: int
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class DocumentText:
    """A run of tokens ``[start, end)`` of a document's ``num_tokens``, as text."""

    id: DocumentId
    num_tokens: int
    start: int
    end: int
    text: str
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ShardDescription:
    """What a shard says of itself; the coordinator refuses one that is not of the index it serves."""

    shard: ShardId
    index_id: str
    format_version: int
    token_width: int
    tokenizer_sha256: str
    num_tokens: int
    num_documents: int


@dataclass(frozen=True, slots=True)
class IndexDescription:
    """What is served: the index's totals over the shards in reach, and the limits on a request."""

    index_id: str
    source: str
    stage: str
    tokenizer_sha256: str
    token_width: int
    num_shards: int
    shards: tuple[ShardDescription, ...]
    failed_shards: tuple[FailedShard, ...]
    max_answer_chars: int
