"""The bodies of HTTP requests that take documents down."""

from typing import Annotated

from pydantic import FailFast, Field

from coordinator.api.http_models import Body, TimeoutMs
from coordinator.corpus import MAX_NAMED_CORPORA
from coordinator.takedowns import MAX_DOCUMENTS, MAX_TAKEDOWNS, Takedown


class TakedownBody(Body):
    """Documents to be treated as if they had never been in the corpora. It has one of the five targets."""

    id: str = Field(default="", description="Names it: 1 to 64 letters, digits and ._- ; empty: the server finds one.")
    corpora: Annotated[tuple[str, ...], FailFast()] = Field(
        default=(), max_length=MAX_NAMED_CORPORA, description="Names of the corpora that it concerns; empty: every one."
    )
    document: str = Field(
        default="",
        description="Target: the document with this id, corpus:shard:number; by its content in later generations.",
    )
    url: str = Field(default="", description="Target: documents whose metadata says this url, however it is written.")
    domain: str = Field(default="", description="Target: documents whose url has this host, or one below it.")
    source: str = Field(default="", description="Target: documents whose metadata says this source, to the letter.")
    content_sha256: str = Field(
        default="",
        description="Target: documents with this content: SHA-256 of the token ids, u32 little-endian, 64 hexadecimal "
        "digits.",
    )
    content_tokens: int = Field(default=0, ge=0, le=2**63 - 1, description="Of a content: how many token ids.")
    index_id: str = Field(
        default="",
        description="Of a document: content of the corpus that its id is of, as answers say it; another is refused.",
    )
    reason: str = Field(default="", description="Why, for the record: at most 500 characters. Not the document's text.")

    def to_takedown(self) -> Takedown:
        """Returns the takedown; what it says is checked where it is used."""
        return Takedown(**{name: getattr(self, name) for name in type(self).model_fields})


class AddTakedownsBody(Body):
    """Takedowns to add; one with the id of one in force has its target, and at most another reason."""

    takedowns: Annotated[tuple[TakedownBody, ...], FailFast()] = Field(
        min_length=1, max_length=MAX_TAKEDOWNS, description="What is to be taken down."
    )
    timeout_ms: TimeoutMs = 0


class LiftTakedownsBody(Body):
    """Takedowns to end."""

    ids: Annotated[tuple[str, ...], FailFast()] = Field(
        min_length=1,
        max_length=MAX_TAKEDOWNS,
        description="Their ids. If one is not in force, that is an error, and nothing changes.",
    )
    timeout_ms: TimeoutMs = 0


class PreviewTakedownBody(Body):
    """A takedown to look at. Changes nothing."""

    takedown: TakedownBody = Field(description="What to look for; its id and reason are not used.")
    max_documents: int = Field(
        default=100, ge=1, le=MAX_DOCUMENTS, description="Most documents to return; all of them are counted."
    )
    min_copied_share: float = Field(
        default=0.0,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Look for near copies, too: least share of a copy's windows of 32 tokens that stand in a document "
        "concerned; 0: do not.",
    )
    timeout_ms: TimeoutMs = 0
