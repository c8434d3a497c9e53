"""What a caller asks: requests and their options, free of transport. `options.check_request` checks them."""

import enum
from dataclasses import dataclass, field


class SpanRanking(enum.StrEnum):
    """Which maximal spans are kept when there are more than the density allows."""

    UNIGRAM_LOGPROB_SUM = "unigram_logprob_sum"
    LENGTH = "length"


@dataclass(frozen=True, slots=True)
class TraceOptions:
    """How to trace. The defaults are what production OLMoTrace sends (olmo-api).

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
    """One answer to trace. The prompt is not traced: it only weighs in the ranking of documents.

    Attributes:
        answer: What the model wrote.
        prompt: What it was asked.
        options: How to trace.
        corpora: Names of the corpora to search; none means every one.
        require_complete: Whether an answer that misses a shard is an error instead.
    """

    answer: str
    prompt: str = ""
    options: TraceOptions = field(default_factory=TraceOptions)
    corpora: tuple[str, ...] = ()
    require_complete: bool = False


@dataclass(frozen=True, slots=True)
class CountRequest:
    """One text to count. ``corpora`` and ``require_complete`` are as in `TraceRequest`."""

    text: str
    corpora: tuple[str, ...] = ()
    require_complete: bool = False
