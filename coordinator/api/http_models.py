"""The bodies of HTTP requests, and the JSON schemas of the responses."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from coordinator.requests import SpanRanking, TraceOptions
from coordinator.results import Count, Description, DocumentText, Trace

_DEFAULTS = TraceOptions()
_CORPORA = "Names of the corpora to search; empty: every one."
_REQUIRE_COMPLETE = "Whether an answer that misses a shard is an error instead."


class TraceOptionsBody(BaseModel):
    """How to trace."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    delimiters: tuple[str, ...] = Field(
        default=_DEFAULTS.delimiters, description="Texts of single tokens that a span holds only as its last token."
    )
    allow_partial_words: bool = Field(
        default=_DEFAULTS.allow_partial_words, description="Whether spans may start and end inside words."
    )
    min_span_tokens: int = Field(default=_DEFAULTS.min_span_tokens, description="Shortest span, in tokens.")
    max_count: int = Field(default=_DEFAULTS.max_count, description="Spans that occur more often are dropped.")
    max_span_density: float = Field(
        default=_DEFAULTS.max_span_density, description="At most ceil(this x answer tokens) spans are kept."
    )
    span_ranking: SpanRanking = Field(default=_DEFAULTS.span_ranking, description="Which spans are kept.")
    max_occurrences_per_span: int = Field(
        default=_DEFAULTS.max_occurrences_per_span, description="Occurrences drawn of each span."
    )
    context_tokens: int = Field(
        default=_DEFAULTS.context_tokens,
        description="Tokens on each side of an occurrence that are read, ranked on and returned.",
    )
    snippet_tokens: int = Field(
        default=_DEFAULTS.snippet_tokens, description="Tokens on each side of an occurrence that a card shows."
    )
    seed: int = Field(default=_DEFAULTS.seed, description="Seed of the draw of occurrences.")

    def to_options(self) -> TraceOptions:
        """Returns the options; their ranges are checked where they are used."""
        return TraceOptions(**{name: getattr(self, name) for name in type(self).model_fields})


class TraceBody(BaseModel):
    """An answer to trace."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    answer: str = Field(description="What the model wrote.")
    prompt: str = Field(default="", description="What it was asked. Not traced: it only weighs in the ranking.")
    options: TraceOptionsBody = TraceOptionsBody()
    corpora: tuple[str, ...] = Field(default=(), description=_CORPORA)
    require_complete: bool = Field(default=False, description=_REQUIRE_COMPLETE)
    timeout_ms: int = Field(default=0, ge=0, description="Time to answer in; 0: the server's default.")


class CountBody(BaseModel):
    """A text to count."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = Field(description="The text, tokenized as an answer is.")
    corpora: tuple[str, ...] = Field(default=(), description=_CORPORA)
    require_complete: bool = Field(default=False, description=_REQUIRE_COMPLETE)
    timeout_ms: int = Field(default=0, ge=0, description="Time to answer in; 0: the server's default.")


def response_schemas() -> dict[str, Any]:
    """Returns the JSON schemas of the responses and of all that they hold, by name, for an OpenAPI page."""
    schemas: dict[str, Any] = {}
    for value in (Trace, Count, DocumentText, Description):
        schema = TypeAdapter(value).json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
        schemas.update(schema.pop("$defs", {}))
        schemas[value.__name__] = schema
    schemas["DocumentId"] = {"type": "string", "pattern": r"^[a-z0-9_-]+:\d+:\d+$", "title": "DocumentId"}
    schemas["ShardId"] = {"type": "string", "pattern": r"^[a-z0-9_-]+:\d+$", "title": "ShardId"}
    return schemas
