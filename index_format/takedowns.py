"""Takedowns: which documents are to be treated as if they had never been in the corpora.

They are values; who obeys them is another matter (`takedown_resolution` finds the documents). As JSON a takedown is one
object whose target is the one key of ``document``, ``url``, ``domain``, ``source`` and ``content`` that it has::

    {"id": "t-1", "domain": "example.org", "index_ids": ["0123456789abcdef"]}
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from index_format.document_urls import normal_host
from index_format.errors import TakedownError
from index_format.removed_documents import DocumentNumbers

ANOTHER_VIEW = "view_id"
"""How a shard server's message begins when the ranks of a request are of a view that it has no more."""

MAX_WORD_CHARS = 10_000
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NO_HOST = re.compile(r"[\s/?#\\@:\[\]%*]|\.\.")
_VIEW_DIGITS = 32


@dataclass(frozen=True, slots=True)
class ContentTarget:
    """Documents with this content: SHA-256 of the token ids (u32, little-endian, no separator), and their number."""

    sha256: str
    num_tokens: int

    def __post_init__(self) -> None:
        if _SHA256.fullmatch(self.sha256) is None:
            raise TakedownError(f"sha256 is {self.sha256[:80]!r}, expected 64 hexadecimal digits in lower case")
        _check_number("num_tokens", self.num_tokens)


@dataclass(frozen=True, slots=True)
class DocumentTarget:
    """One document of one index. In every other index in scope: those with its content, if that is known."""

    index_id: str
    shard: int
    number: int
    content: ContentTarget | None = None

    def __post_init__(self) -> None:
        _check_word("index_id", self.index_id)
        _check_number("shard", self.shard)
        _check_number("number", self.number)


@dataclass(frozen=True, slots=True)
class UrlTarget:
    """Documents whose metadata says this url, as `document_urls.normal_url` compares them."""

    url: str

    def __post_init__(self) -> None:
        _check_word("url", self.url)


@dataclass(frozen=True, slots=True)
class DomainTarget:
    """Documents whose url has this host or one below it; kept as `checked_domain` returns it."""

    domain: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "domain", checked_domain(self.domain))


@dataclass(frozen=True, slots=True)
class SourceTarget:
    """Documents whose metadata says this source, to the letter."""

    source: str

    def __post_init__(self) -> None:
        _check_word("source", self.source)


Target: TypeAlias = DocumentTarget | UrlTarget | DomainTarget | SourceTarget | ContentTarget


@dataclass(frozen=True, slots=True)
class Takedown:
    """One takedown.

    Attributes:
        id: Names it: 1 to 64 letters, digits and ``._-``.
        target: What it concerns.
        index_ids: Indexes that it concerns; none means every one.

    Raises:
        TakedownError: a field is out of range.
    """

    id: str
    target: Target
    index_ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_takedown_id(self.id)


def check_takedown_id(id_: str) -> None:
    """Checks the id of a takedown.

    Raises:
        TakedownError: it is not 1 to 64 letters, digits and ``._-``.
    """
    if _ID.fullmatch(id_) is None:
        raise TakedownError(f"takedown {id_[:80]!r}: the id must be 1 to 64 letters, digits and ._-")


def view_id(withheld: DocumentNumbers) -> str:
    """Returns the name of a shard without the documents ``withheld`` (distinct, ascending); empty if there are none."""
    if not len(withheld):
        return ""
    return hashlib.sha256(withheld.astype("<u8").tobytes()).hexdigest()[:_VIEW_DIGITS]


def is_at_or_below(host: str, domain: str) -> bool:
    """Says whether a host is ``domain`` or one of its subdomains; both as `checked_domain` writes them."""
    return host == domain or host.endswith(f".{domain}")


def checked_domain(domain: str) -> str:
    """Returns a domain in lower case, without the dot at its end, international names in their ASCII form.

    Raises:
        TakedownError: it is no name of a host.
    """
    normal = normal_host(domain.strip())
    if not normal or normal.startswith(".") or len(normal) > 253 or _NO_HOST.search(normal) or not _is_unicode(normal):
        raise TakedownError(f"domain is {domain[:80]!r}, expected the name of a host, like example.org")
    return normal


def target_to_json(target: Target) -> dict[str, Any]:
    """Returns a target as the one key and value that it adds to a takedown's object."""
    match target:
        case DocumentTarget(index_id, shard, number, content):
            fields: dict[str, Any] = {"index_id": index_id, "shard": shard, "number": number}
            if content is not None:
                fields["content"] = _content_to_json(content)
            return {"document": fields}
        case UrlTarget(url):
            return {"url": url}
        case DomainTarget(domain):
            return {"domain": domain}
        case SourceTarget(source):
            return {"source": source}
        case ContentTarget():
            return {"content": _content_to_json(target)}


def target_from_json(fields: dict[str, Any]) -> Target:
    """Takes the target out of a takedown's object and returns it.

    Raises:
        TakedownError: there is not exactly one, or it is none.
    """
    kinds = sorted(_TARGETS.keys() & fields.keys())
    if len(kinds) != 1:
        found = " and ".join(kinds) or "none"
        raise TakedownError(f"found {found} of {', '.join(_TARGETS)}, expected one; was it written by a newer version?")
    return _TARGETS[kinds[0]](fields.pop(kinds[0]))


def takedown_to_json(takedown: Takedown) -> dict[str, Any]:
    """Returns a takedown as an object, without what it leaves at the default."""
    fields: dict[str, Any] = {"id": takedown.id, **target_to_json(takedown.target)}
    if takedown.index_ids:
        fields["index_ids"] = list(takedown.index_ids)
    return fields


def takedown_from_json(value: object) -> Takedown:
    """Returns the takedown that an object says.

    Raises:
        TakedownError: it is none, or has a field that is unknown.
    """
    fields = _object("a takedown", value)
    id_ = _text(fields, "id")
    try:
        target = target_from_json(fields)
        index_ids = _names(fields, "index_ids")
        refuse_unknown(fields)
        return Takedown(id_, target, index_ids)
    except TakedownError as error:
        raise TakedownError(f"takedown {id_[:80]!r}: {error}") from None


def _names(fields: dict[str, Any], key: str) -> tuple[str, ...]:
    """Takes a list of words out of an object; none if it is not there.

    Raises:
        TakedownError: it is no list of words.
    """
    value = fields.pop(key, [])
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        raise TakedownError(f"{key} is no list of names")
    return tuple(value)


def refuse_unknown(fields: Mapping[str, Any]) -> None:
    """Checks that nothing is left of an object.

    Raises:
        TakedownError: something is; it might narrow or widen what is taken down.
    """
    if fields:
        raise TakedownError(f"unknown field {min(fields)!r}; was it written by a newer version?")


def _document_from_json(value: object) -> DocumentTarget:
    fields = _object("document", value)
    content = _content_from_json(fields.pop("content")) if "content" in fields else None
    target = DocumentTarget(_text(fields, "index_id"), fields.pop("shard", -1), fields.pop("number", -1), content)
    refuse_unknown(fields)
    return target


def _content_from_json(value: object) -> ContentTarget:
    fields = _object("content", value)
    content = ContentTarget(_text(fields, "sha256"), fields.pop("num_tokens", -1))
    refuse_unknown(fields)
    return content


def _content_to_json(content: ContentTarget) -> dict[str, Any]:
    return {"sha256": content.sha256, "num_tokens": content.num_tokens}


def _object(name: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TakedownError(f"{name} is a JSON {type(value).__name__}, expected an object")
    return dict(value)


def _text(fields: dict[str, Any], key: str) -> str:
    value = fields.pop(key, None)
    if not isinstance(value, str):
        raise TakedownError(f"{key} is missing or no string")
    return value


def _word(value: object) -> str:
    if not isinstance(value, str):
        raise TakedownError(f"the target is a JSON {type(value).__name__}, expected a string")
    return value


def _check_word(name: str, value: str) -> None:
    if not 1 <= len(value) <= MAX_WORD_CHARS:
        raise TakedownError(f"{name} has {len(value)} characters, expected 1 to {MAX_WORD_CHARS}")
    if not _is_unicode(value):
        raise TakedownError(f"{name} holds half of a surrogate pair, which no text of a document does")


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_number(name: str, value: object) -> None:
    if type(value) is not int or not 0 <= value < 2**63:
        raise TakedownError(f"{name} is {str(value)[:80]}, expected a whole number from 0 on")


_TARGETS: Mapping[str, Callable[[object], Target]] = {
    "document": _document_from_json,
    "url": lambda value: UrlTarget(_word(value)),
    "domain": lambda value: DomainTarget(_word(value)),
    "source": lambda value: SourceTarget(_word(value)),
    "content": _content_from_json,
}
