"""Takedowns as callers of the admin calls see them, with the answers to those calls.

The fields are those of protos/coordinator/v1. What is kept is `coordinator.takedown_list`.
"""

import re
from dataclasses import dataclass
from typing import Any

from coordinator.api.json_codec import parse_document_id
from coordinator.errors import InvalidRequestError
from coordinator.redaction.found import Kind
from coordinator.results import Coverage
from coordinator.takedown_list import KeptTakedown, own_id
from coordinator.values import DocumentId
from index_format.errors import TakedownError
from index_format.takedowns import ContentTarget, DocumentTarget, DomainTarget, SourceTarget, Target, UrlTarget

MAX_TAKEDOWNS = 10_000
"""Most takedowns of one call."""
MAX_DOCUMENTS = 1_000
"""Most documents of one preview."""

_PLACEHOLDER = re.compile(rf"\[(?:{'|'.join(Kind)})\]")
_TARGETS = ("document", "url", "domain", "source", "content_sha256")


@dataclass(frozen=True, slots=True)
class Takedown:
    """Documents to be treated as if they had never been in the corpora. Exactly one of the targets is not empty.

    Attributes:
        id: Names it; empty: the coordinator finds one, the same for the same target, corpora and reason.
        corpora: Names of the corpora that it concerns; none means every one.
        document: Id of a document, ``corpus:shard:number``.
        url: Documents whose metadata says this url, however it is written.
        domain: Documents whose url has this host, or one below it.
        source: Documents whose metadata says this source, to the letter.
        content_sha256: Documents with this content: SHA-256 of the token ids, u32 little-endian.
        content_tokens: Of a content, and of a document as it is kept: how many token ids.
        reason: Why, for the record.
        added_s: When it was added, in seconds since 1970; 0 before.
        index_id: Of a document: content of the corpus that its id is of; empty: that which is served.
        document_sha256: Of a document as it is kept: its content, by which it is known in later generations.
    """

    id: str = ""
    corpora: tuple[str, ...] = ()
    document: str = ""
    url: str = ""
    domain: str = ""
    source: str = ""
    content_sha256: str = ""
    content_tokens: int = 0
    reason: str = ""
    added_s: int = 0
    index_id: str = ""
    document_sha256: str = ""

    @property
    def kind(self) -> str:
        """The name of the target that it has.

        Raises:
            InvalidRequestError: it has none, or more than one.
        """
        found = [name for name in _TARGETS if getattr(self, name)]
        if len(found) != 1:
            raise InvalidRequestError(
                f"takedown {self.id!r:.80} has {' and '.join(found) or 'no target'}, expected one of "
                f"{', '.join(_TARGETS)}"
            )
        return found[0]


@dataclass(frozen=True, slots=True)
class ReplicaTakedowns:
    """How far one replica of one shard, ``corpus:shard``, is. ``problem`` is empty if it obeys the present list."""

    shard: str
    address: str
    epoch: int
    withheld_documents: int
    problem: str


@dataclass(frozen=True, slots=True)
class TakedownState:
    """How far the takedowns of list ``epoch`` are in effect; those of ``unserved_ids`` concern no corpus here."""

    epoch: int
    replicas: tuple[ReplicaTakedowns, ...]
    unserved_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TakedownsAdded:
    """The takedowns as they are kept, how far they are in effect, and how many documents more are withheld by now."""

    takedowns: tuple[Takedown, ...]
    state: TakedownState
    newly_withheld_documents: int


@dataclass(frozen=True, slots=True)
class TakedownsLifted:
    """How far the end of some takedowns is in effect."""

    state: TakedownState


@dataclass(frozen=True, slots=True)
class TakedownsListed:
    """The takedowns in force, by id, and how far they are in effect."""

    takedowns: tuple[Takedown, ...]
    state: TakedownState


@dataclass(frozen=True, slots=True)
class TakedownDocument:
    """A document that a takedown would concern, or a near copy of one; ``copied_share`` is that of a copy's windows."""

    id: str
    source: str
    url: str
    num_tokens: int
    content_sha256: str
    copied_share: float = 0.0


@dataclass(frozen=True, slots=True)
class TakedownPreview:
    """What a takedown would concern: the first documents of ``num_documents``, by id, and near copies of those."""

    documents: tuple[TakedownDocument, ...]
    num_documents: int
    near_copies: tuple[TakedownDocument, ...]
    coverage: Coverage


def to_keep(takedown: Takedown, document: DocumentTarget | None = None) -> KeptTakedown:
    """Returns a takedown as it is kept; ``document`` is its target if that is a document.

    Raises:
        InvalidRequestError: it has not exactly one target, a field is out of range, or was copied from a redacted text.
    """
    corpora = takedown.corpora
    if takedown.index_id and takedown.kind != "document":
        raise InvalidRequestError(
            f"takedown {takedown.id!r:.80} has an index_id and is of a {takedown.kind}, expected a document"
        )
    if takedown.kind == "document":
        corpus = parse_document_id(takedown.document).corpus
        if corpora not in ((), (corpus,)):
            raise InvalidRequestError(
                f"takedown {takedown.id!r:.80} is of a document of corpus {corpus} and has corpora "
                f"{', '.join(corpora):.80}, expected none or {corpus}"
            )
        corpora = (corpus,)
    if shown_as := _PLACEHOLDER.search(takedown.url + takedown.source):
        raise InvalidRequestError(
            f"takedown {takedown.id!r:.80} has {shown_as[0]} in its {takedown.kind}, which redaction shows in place of "
            "what stands there; take the document down by its id"
        )
    try:
        target = _target(takedown, document)
        id_ = takedown.id or own_id(target, corpora, takedown.reason)
        return KeptTakedown(id_, target, corpora, takedown.reason, takedown.added_s)
    except TakedownError as error:
        raise InvalidRequestError(str(error)) from None


def shown(takedown: KeptTakedown) -> Takedown:
    """Returns a takedown that is kept as callers see it."""
    named: dict[str, Any]
    match takedown.target:
        case DocumentTarget(index_id, shard, number, content):
            named = {"document": str(DocumentId(takedown.corpora[0], shard, number)), "index_id": index_id}
            if content is not None:
                named |= {"document_sha256": content.sha256, "content_tokens": content.num_tokens}
        case UrlTarget(url):
            named = {"url": url}
        case DomainTarget(domain):
            named = {"domain": domain}
        case SourceTarget(source):
            named = {"source": source}
        case ContentTarget(sha256, num_tokens):
            named = {"content_sha256": sha256, "content_tokens": num_tokens}
    return Takedown(id=takedown.id, corpora=takedown.corpora, reason=takedown.reason, added_s=takedown.added_s, **named)


def _target(takedown: Takedown, document: DocumentTarget | None) -> Target:
    match takedown.kind:
        case "url":
            return UrlTarget(takedown.url)
        case "domain":
            return DomainTarget(takedown.domain)
        case "source":
            return SourceTarget(takedown.source)
        case "content_sha256":
            if takedown.content_tokens < 1:
                raise InvalidRequestError(
                    f"takedown {takedown.id!r:.80} is of a content and has content_tokens {takedown.content_tokens}, "
                    "expected how many token ids the content has"
                )
            return ContentTarget(takedown.content_sha256, takedown.content_tokens)
        case _:
            assert document is not None, "who knows the index gives it"
            return document
