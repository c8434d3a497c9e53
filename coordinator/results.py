"""What a caller gets: traces, counts, documents, and the events of a trace that is told as it comes about.

Ranges are half-open. ``start``/``end`` count tokens, ``start_char``/``end_char`` characters (code points).
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from coordinator.read_counts import TraceStats
from coordinator.values import DocumentId, FailedShard, ShardDescription


class Relevance(enum.StrEnum):
    """How relevant a document or span is, as OLMoTrace colours it. ``UNKNOWN`` before documents are ranked."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    UNKNOWN = "unknown"


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
class Withheld:
    """What an answer leaves out on purpose.

    Attributes:
        occurrences: Occurrences of the passages asked for in documents that were taken down: neither shown nor counted.
        redacted: Placeholders that stand for personal data and the like.
        documents: Documents that the policy of their source withholds, or that the caller's key has been shown as much
            of as it may.
        occurrences_untold: Documents of the corpora asked were taken down, and the caller's key is not told how many
            occurrences that concerns, if any; the same whatever was asked.
    """

    occurrences: int = 0
    redacted: int = 0
    documents: int = 0
    occurrences_untold: bool = False


NOTHING_WITHHELD = Withheld()


@dataclass(frozen=True, slots=True)
class Span:
    """A kept span of the answer. ``count`` is its number of occurrences over all shards that answered.

    ``withheld_count`` are further ones, in documents that were taken down.
    """

    start: int
    end: int
    start_char: int
    end_char: int
    text: str
    count: int
    unigram_logprob_sum: float
    relevance: Relevance
    documents: tuple[int, ...]
    withheld_count: int = 0


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

    ``corpus`` and ``stage`` say which training data it is of. ``text`` is its first-seen window, ``[start, end)`` of
    its ``num_tokens``. ``score`` is the BM25 score of that window, ``relevance_score`` that score scaled to 0..1 by the
    answer's length. ``num_redacted`` placeholders in text, snippets and metadata stand for personal data and the like.
    """

    id: DocumentId
    corpus: str
    stage: str
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
    num_redacted: int = 0


@dataclass(frozen=True, slots=True)
class CorpusCoverage:
    """What was searched of one corpus.

    Attributes:
        corpus: Its name.
        index_id: The content that was searched: its generation.
        shards_asked: Shards of its index.
        shards_answered: Shards that answered every question.
        num_tokens: Positions in all its shards, separators included.
        tokens_searched: Positions in the shards that were searched.
        failed_shards: Those that did not answer, and why.
    """

    corpus: str
    index_id: str
    shards_asked: int
    shards_answered: int
    num_tokens: int
    tokens_searched: int
    failed_shards: tuple[FailedShard, ...]


@dataclass(frozen=True, slots=True)
class Coverage:
    """What was searched, over all corpora that were asked.

    Attributes:
        complete: Whether every shard answered every question.
        counts_are_lower_bounds: Whether a shard was not searched, so that what it holds is not counted.
        share_searched: Share of the positions that were searched, 0 to 1.
        corpora: The same by corpus, in the order in which they are served.
    """

    complete: bool
    counts_are_lower_bounds: bool
    share_searched: float
    corpora: tuple[CorpusCoverage, ...]

    @property
    def shards_asked(self) -> int:
        """Shards of all corpora."""
        return sum(corpus.shards_asked for corpus in self.corpora)

    @property
    def shards_answered(self) -> int:
        """Shards of all corpora that answered every question."""
        return sum(corpus.shards_answered for corpus in self.corpora)

    @property
    def tokens_searched(self) -> int:
        """Positions of all corpora that were searched, separators included."""
        return sum(corpus.tokens_searched for corpus in self.corpora)

    @property
    def failed_shards(self) -> tuple[FailedShard, ...]:
        """The shards of all corpora that did not answer."""
        return tuple(failed for corpus in self.corpora for failed in corpus.failed_shards)


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
    """An answer traced: kept spans in reading order, their merged highlights, documents most relevant first.

    ``cached`` says that the trace was made for an earlier, equal request: timings and stats are of then.
    """

    answer: str
    num_tokens: int
    spans: tuple[Span, ...]
    merged_spans: tuple[MergedSpan, ...]
    documents: tuple[Document, ...]
    num_maximal_spans: int
    coverage: Coverage
    timings: Timings
    stats: TraceStats
    cached: bool = False
    withheld: Withheld = NOTHING_WITHHELD


@dataclass(frozen=True, slots=True)
class SpansFound:
    """The first event of a streamed trace: the kept spans, before any document is known.

    Spans and highlights have no documents yet and a relevance of ``UNKNOWN``.
    """

    num_tokens: int
    spans: tuple[Span, ...]
    merged_spans: tuple[MergedSpan, ...]
    num_maximal_spans: int
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class DocumentsFound:
    """An event for every shard that showed documents: these, without score and with a relevance of ``UNKNOWN``."""

    documents: tuple[Document, ...]


@dataclass(frozen=True, slots=True)
class DocumentRank:
    """The place of one document in the ranking."""

    id: DocumentId
    score: float
    relevance_score: float
    relevance: Relevance


@dataclass(frozen=True, slots=True)
class Ranking:
    """The last event of a streamed trace: the documents most relevant first, and what only the end can tell.

    ``span_relevances`` and ``merged_span_relevances`` are in the order of the spans and highlights of `SpansFound`.
    """

    documents: tuple[DocumentRank, ...]
    span_relevances: tuple[Relevance, ...]
    merged_span_relevances: tuple[Relevance, ...]
    coverage: Coverage
    timings: Timings
    stats: TraceStats
    cached: bool = False
    withheld: Withheld = NOTHING_WITHHELD


TraceEvent: TypeAlias = SpansFound | DocumentsFound | Ranking


@dataclass(frozen=True, slots=True)
class Count:
    """How often a text occurs in the shards that answered; the coverage says whether that is a lower bound."""

    num_tokens: int
    count: int
    coverage: Coverage
    withheld: Withheld = NOTHING_WITHHELD


@dataclass(frozen=True, slots=True)
class DocumentText:
    """A run of tokens ``[start, end)`` of a document's ``num_tokens``, as text.

    ``index_id`` names the content that the document is of, as `CorpusCoverage.index_id` does; empty from a shard, which
    knows of no other.
    """

    id: DocumentId
    corpus: str
    stage: str
    source: str
    url: str
    num_tokens: int
    start: int
    end: int
    text: str
    metadata: Mapping[str, Any]
    index_id: str = ""
    withheld: Withheld = NOTHING_WITHHELD


@dataclass(frozen=True, slots=True)
class CorpusDescription:
    """One corpus that is served: what its index says, and what its shards say now."""

    name: str
    display_name: str
    stage: str
    source: str
    index_id: str
    tokenizer_sha256: str
    token_width: int
    num_tokens: int
    num_documents: int
    num_shards: int
    shards: tuple[ShardDescription, ...]
    failed_shards: tuple[FailedShard, ...]


@dataclass(frozen=True, slots=True)
class Description:
    """What is served, and the limits on a request."""

    corpora: tuple[CorpusDescription, ...]
    max_answer_chars: int
    max_prompt_chars: int
    max_document_tokens: int
