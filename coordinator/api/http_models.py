"""The bodies of HTTP requests."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, FailFast, Field, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from coordinator.corpus import MAX_NAMED_CORPORA
from coordinator.options import MAX_DELIMITERS
from coordinator.requests import SpanRanking, TraceOptions

_DEFAULTS = TraceOptions()
_MOST = 2**63 - 1

# Ranges stand in the schema only: they are checked with those of gRPC, in one place, by `coordinator.options`.
_AT_LEAST_ONE: JsonDict = {"minimum": 1, "maximum": _MOST}
_AT_LEAST_ZERO: JsonDict = {"minimum": 0, "maximum": _MOST}

TimeoutMs = Annotated[
    int,
    Field(
        ge=0,
        description="Time to answer in, in milliseconds; 0: the server's default. More than its most is cut to that.",
    ),
]
_Corpora = Annotated[
    tuple[str, ...],
    Field(max_length=MAX_NAMED_CORPORA, description="Names of the corpora to search; empty: every one."),
    FailFast(),
]
_RequireComplete = Annotated[
    bool, Field(description="Whether an answer that misses a shard is the error incomplete-answer instead.")
]


TOO_MANY_FIELDS = "too_many_fields"


class Body(BaseModel):
    """An object whose check costs no more than what it describes, whatever is sent: each fault found is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _has_not_too_many_fields(cls, raw: Any) -> Any:
        most = 2 * len(cls.model_fields)
        if isinstance(raw, dict) and len(raw) > most:
            raise PydanticCustomError(
                TOO_MANY_FIELDS,
                "object has {found} fields, expected some of {known}",
                {"found": len(raw), "known": ", ".join(cls.model_fields)},
            )
        return raw


class TraceOptionsBody(Body):
    """How to trace."""

    delimiters: Annotated[tuple[str, ...], FailFast()] = Field(
        default=_DEFAULTS.delimiters,
        max_length=MAX_DELIMITERS,
        description="Texts of single tokens that a span holds only as its last token; may be empty.",
    )
    allow_partial_words: bool = Field(
        default=_DEFAULTS.allow_partial_words, description="Whether spans may start and end inside words."
    )
    min_span_tokens: int = Field(
        default=_DEFAULTS.min_span_tokens, description="Shortest span, in tokens.", json_schema_extra=_AT_LEAST_ONE
    )
    max_count: int = Field(
        default=_DEFAULTS.max_count,
        description="Spans that occur more often are dropped.",
        json_schema_extra=_AT_LEAST_ONE,
    )
    max_span_density: float = Field(
        default=_DEFAULTS.max_span_density,
        description="At most ceil(this x answer tokens) spans are kept.",
        json_schema_extra={"exclusiveMinimum": 0, "maximum": 1},
    )
    span_ranking: SpanRanking = Field(
        default=_DEFAULTS.span_ranking, description="Which spans are kept when there are more than that."
    )
    max_occurrences_per_span: int = Field(
        default=_DEFAULTS.max_occurrences_per_span,
        description="Occurrences drawn of each span.",
        json_schema_extra=_AT_LEAST_ONE,
    )
    context_tokens: int = Field(
        default=_DEFAULTS.context_tokens,
        description="Tokens on each side of an occurrence that are read, ranked on and returned.",
        json_schema_extra=_AT_LEAST_ZERO,
    )
    snippet_tokens: int = Field(
        default=_DEFAULTS.snippet_tokens,
        description="Tokens on each side of an occurrence that a card shows, at most context_tokens.",
        json_schema_extra=_AT_LEAST_ZERO,
    )
    seed: int = Field(
        default=_DEFAULTS.seed, description="Seed of the draw of occurrences.", json_schema_extra=_AT_LEAST_ZERO
    )

    def to_options(self) -> TraceOptions:
        """Returns the options; their ranges are checked where they are used."""
        return TraceOptions(**{name: getattr(self, name) for name in type(self).model_fields})


class TraceBody(Body):
    """An answer to trace."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "answer": "an answer to trace",
                "prompt": "what was asked",
                "options": {"max_span_density": 0.1},
            }
        },
    )

    answer: str = Field(
        description="What the model wrote: not blank, at most max_answer_chars characters (see /v1/describe)."
    )
    prompt: str = Field(
        default="",
        description="What it was asked: at most max_prompt_chars characters. Not traced, it only weighs in the ranking "
        "of documents.",
    )
    options: TraceOptionsBody = Field(default=TraceOptionsBody(), description="How to trace; absent: every default.")
    corpora: _Corpora = ()
    require_complete: _RequireComplete = False
    timeout_ms: TimeoutMs = 0


class CountBody(Body):
    """A text to count."""

    model_config = ConfigDict(json_schema_extra={"example": {"text": "a text"}})

    text: str = Field(
        description="The text, tokenized as an answer is: not blank, at most max_answer_chars characters."
    )
    corpora: _Corpora = ()
    require_complete: _RequireComplete = False
    timeout_ms: TimeoutMs = 0
