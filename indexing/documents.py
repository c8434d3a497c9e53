"""A document as it is read, the rules it must keep, and what happens to those that do not."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

import numpy as np
import numpy.typing as npt

from index_format.tokenizer import TokenIds
from indexing.errors import BadDocumentError
from indexing.remote_path import Place

# Longer is no document but a whole corpus in one field; tokenizing it would take memory by the 10 GiB.
MAX_DOCUMENT_BYTES = 1 << 30
_BAD_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Document:
    """One document: its text, or its tokens if it comes as such, and its metadata line for the index (no newline).

    ``text_bytes`` is 0 if there is no text.
    """

    text: str
    text_bytes: int
    metadata_line: str
    token_ids: TokenIds | None = None

    @property
    def length(self) -> int:
        """About the memory that the document takes: its characters, or bytes of ids."""
        return len(self.text) if self.token_ids is None else self.token_ids.nbytes


@dataclass(frozen=True, slots=True)
class DocumentFields:
    """Which field of a record is the text, and which others are kept (None: all of them).

    Attributes:
        text: Field, or column, of the text.
        metadata: Fields that are kept.
        ids: Column of Parquet files that holds token ids, to take in place of the text.
        separator: Id between the documents of an array of token ids.
        end_of_ids: Ids of tokens must be less than this; None if the tokenizer is not known yet.
    """

    text: str
    metadata: tuple[str, ...] | None
    ids: str | None = None
    separator: int | None = None
    end_of_ids: int | None = None


class BadDocuments:
    """Fails at the first bad document, or skips and counts them."""

    def __init__(self, *, skip: bool):
        self._skip = skip
        self.count = 0
        self.examples: list[str] = []

    def report(self, error: BadDocumentError) -> None:
        """Counts ``error``, or raises it."""
        if not self._skip:
            raise error
        self.count += 1
        if len(self.examples) < _BAD_EXAMPLES:
            self.examples.append(str(error))


@dataclass(frozen=True, slots=True)
class RecordPlace:
    """Where a record was read: the file, its name in the index, and the 0-based line or row."""

    path: Place
    name: str
    linenum: int

    def error(self, reason: str) -> BadDocumentError:
        """Returns the error that the record at this place is no document."""
        return BadDocumentError(self.path, self.linenum, reason)


def document_of(record: Mapping[str, Any], fields: DocumentFields, place: RecordPlace) -> Document:
    """Returns the document in a record.

    Raises:
        BadDocumentError: the text field is missing, not a string or too long; text or metadata hold half a surrogate
            pair; or the metadata cannot be written as JSON.
    """
    if fields.text not in record:
        found = ", ".join(repr(name) for name in record) or "none"
        raise place.error(f"no field {fields.text!r}, found {found}; name the text field with --text-field")
    text = record[fields.text]
    if not isinstance(text, str):
        raise place.error(f"field {fields.text!r} is {_json_type(text)}, expected a string")
    if fields.metadata is None:
        kept = {name: value for name, value in record.items() if name != fields.text}
    else:
        kept = {name: record[name] for name in fields.metadata if name in record}
    return make_document(text, kept, place)


def make_document(text: str, metadata: Mapping[str, Any], place: RecordPlace) -> Document:
    """Returns the document of a text and its metadata. Raises as `document_of` does."""
    try:
        text_bytes = len(text.encode())
    except UnicodeEncodeError as error:
        raise place.error(
            f"the text has half a surrogate pair at character {error.start}, which is not Unicode text"
        ) from error
    if text_bytes > MAX_DOCUMENT_BYTES:
        raise place.error(
            f"document of {text_bytes} bytes, expected at most {MAX_DOCUMENT_BYTES}; split it into documents"
        )
    return Document(text, text_bytes, metadata_line(metadata, place))


def tokenized_document(
    token_ids: npt.NDArray[np.integer], metadata: Mapping[str, Any], place: RecordPlace, fields: DocumentFields
) -> Document:
    """Returns the document of tokens and metadata.

    Raises:
        BadDocumentError: an id is of no token, there are too many, or the metadata cannot be written as JSON.
    """
    if token_ids.nbytes > MAX_DOCUMENT_BYTES:
        raise place.error(
            f"document of {len(token_ids)} token ids, expected at most {MAX_DOCUMENT_BYTES // token_ids.itemsize}; "
            "name the id that separates documents with --document-separator, or split it"
        )
    end = fields.end_of_ids
    if end is not None and len(token_ids) and (int(token_ids.max()) >= end or int(token_ids.min()) < 0):
        wrong = int(np.flatnonzero((token_ids >= end) | (token_ids < 0))[0])
        raise place.error(
            f"token id {token_ids[wrong]} at place {wrong} of the document, the vocabulary has ids 0 to {end - 1}; "
            "name the tokenizer that made them with --tokenizer"
        )
    return Document("", 0, metadata_line(metadata, place), token_ids.astype(np.uint32))


def metadata_line(metadata: Mapping[str, Any], place: RecordPlace) -> str:
    """Returns the line for the index of a record's metadata.

    Raises:
        BadDocumentError: it holds half a surrogate pair, or cannot be written as JSON.
    """
    fields = {"path": place.name, "linenum": place.linenum, "metadata": metadata}
    try:
        line = _json_line(fields)
    except (ValueError, TypeError, RecursionError) as error:
        raise place.error(f"the metadata cannot be written as JSON ({error})") from error
    if "\\ud" in line and (half := _half_of_pair(fields)) is not None:
        raise place.error(f"the metadata has half a surrogate pair (\\u{ord(half):04x}), which is not Unicode text")
    return line


def _json_line(fields: Mapping[str, Any]) -> str:
    try:
        return json.dumps(fields, default=_as_json, allow_nan=False)
    except ValueError:  # looked for only now: few documents have such a number
        return json.dumps(_without_infinities(fields), default=_as_json, allow_nan=False)


def _half_of_pair(fields: Mapping[str, Any]) -> str | None:
    """Returns the first half of a surrogate pair that stands alone in the JSON of ``fields``, None if none does."""
    unescaped = json.dumps(fields, default=_as_json, ensure_ascii=False)
    try:
        unescaped.encode()
    except UnicodeEncodeError as error:
        return unescaped[error.start]
    return None


def _without_infinities(value: Any) -> Any:
    """Returns ``value`` with every number that JSON lacks (infinities, NaN) replaced by None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _without_infinities(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_infinities(item) for item in value]
    return value


def _as_json(value: Any) -> str:
    """Returns what JSON has no type for as a string: dates as ISO 8601, bytes in hexadecimal, others as printed."""
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def _json_type(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "a boolean", int: "a number", float: "a number", list: "an array", dict: "an object"}
    return names.get(type(value), type(value).__name__)
