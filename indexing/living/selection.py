"""Which documents of an index are meant: by their ids, or by a field of their metadata."""

import json
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from index_format.layout import METADATA, shard_folder
from index_format.manifest import ShardManifest
from index_format.removed_documents import DocumentNumbers
from indexing.errors import PlanError

_PLACE_FIELDS = ("path", "linenum")
_IN_METADATA = "metadata."
_MISSING = object()
# Fields that an error names, and that are looked for: metadata may have a field for every document.
_MOST_FIELDS = 20
_ID = re.compile(r"(?:(?P<corpus>.*):)?(?P<shard>[0-9]{1,9}):(?P<number>[0-9]{1,18})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Condition:
    """A field of a document's metadata line and the value it must have.

    ``field`` is ``path`` or ``linenum``, or a name in the document's own metadata; ``metadata.NAME`` is always the
    latter. Dots lead into objects, where no field has the whole name. A value that is no string is compared as JSON.
    """

    field: str
    value: str

    @classmethod
    def parse(cls, written: str) -> "Condition":
        """Returns the condition written as ``FIELD=VALUE``.

        Raises:
            PlanError: it is not written so.
        """
        field, equals, value = written.partition("=")
        if not field or not equals:
            raise PlanError(f"{written!r} is no condition, expected FIELD=VALUE, like source=wikipedia")
        return cls(field, value)

    def holds(self, line: Mapping[str, Any]) -> bool:
        """Says whether a parsed metadata line meets the condition."""
        found = self._found(line)
        if found is _MISSING:
            return False
        return found == self.value if isinstance(found, str) else json.dumps(found) == self.value

    def has_field(self, line: Mapping[str, Any]) -> bool:
        """Says whether a parsed metadata line has the field, whatever its value."""
        return self._found(line) is not _MISSING

    def _found(self, line: Mapping[str, Any]) -> Any:
        if self.field in _PLACE_FIELDS:
            return line.get(self.field, _MISSING)
        return _look_up(line.get("metadata"), self.field.removeprefix(_IN_METADATA))


def _look_up(value: Any, name: str) -> Any:
    if not isinstance(value, Mapping):
        return _MISSING
    if name in value:
        return value[name]
    head, dot, rest = name.partition(".")
    return _look_up(value.get(head), rest) if dot else _MISSING


def documents_of_ids(ids: Iterable[str], shards: Sequence[ShardManifest]) -> list[DocumentNumbers]:
    """Returns the documents that ``ids`` name, of each shard: ``corpus:shard:number``, or ``shard:number``.

    Raises:
        PlanError: one is no id, is of no document of this index, or two are of different corpora.
    """
    numbers = [array("Q") for _ in shards]
    known_corpus: str | None = None
    for id_ in ids:
        corpus, shard, number = _parse_id(id_)
        if corpus is not None:
            if known_corpus not in (None, corpus):
                raise PlanError(f"document {id_!r} is of another corpus than {known_corpus!r}; an index is one corpus")
            known_corpus = corpus
        if shard >= len(shards):
            raise PlanError(f"document {id_!r}: the index has shards 0 to {len(shards) - 1}")
        if number >= shards[shard].num_documents:
            raise PlanError(f"document {id_!r}: shard {shard} has documents 0 to {shards[shard].num_documents - 1}")
        numbers[shard].append(number)
    return [_ascending(of_shard) for of_shard in numbers]


def _parse_id(id_: str) -> tuple[str | None, int, int]:
    if (match := _ID.fullmatch(id_)) is None:
        raise PlanError(f"{id_!r} is no document id, expected corpus:shard:number, like those of a trace")
    return match["corpus"], int(match["shard"]), int(match["number"])


def documents_where(
    directory: Path,
    shards: Sequence[ShardManifest],
    conditions: Sequence[Condition],
    read: Callable[[int], None] = lambda size_bytes: None,
) -> list[DocumentNumbers]:
    """Returns the documents of each shard whose metadata meets all of ``conditions``; ``read`` is told bytes read.

    Raises:
        PlanError: a shard has no metadata, a line of it is no JSON object, or no document has one of the fields.
    Cost: every metadata line is parsed.
    """
    fields = _SeenFields(conditions)
    found = [
        _shard_documents(directory / shard_folder(shard.shard), shard, conditions, fields, read) for shard in shards
    ]
    fields.check(directory)
    return found


class _SeenFields:
    """Which fields of conditions no line has had so far, and the fields that lines have instead."""

    def __init__(self, conditions: Sequence[Condition]):
        self._unseen = list(conditions)
        self._there: dict[str, None] = dict.fromkeys(_PLACE_FIELDS)

    def note(self, line: Mapping[str, Any]) -> None:
        """Takes note of a parsed metadata line."""
        if not self._unseen:
            return
        self._unseen = [condition for condition in self._unseen if not condition.has_field(line)]
        for name in _names(line.get("metadata")):
            if len(self._there) > _MOST_FIELDS:
                break
            self._there[name] = None

    def check(self, directory: Path) -> None:
        """Checks that every field was there.

        Raises:
            PlanError: one was not; it names those that were.
        """
        if self._unseen:
            there = list(self._there)
            more = ", ..." if len(there) > _MOST_FIELDS else ""
            raise PlanError(
                f"{directory}: no document has a field {self._unseen[0].field!r}, "
                f"found {', '.join(there[:_MOST_FIELDS])}{more}"
            )


def _names(value: Any, before: str = "") -> Iterator[str]:
    """Yields the names of all fields of an object, with dots where they are inside others."""
    if not isinstance(value, Mapping):
        return
    for name, inner in value.items():
        yield before + name
        yield from _names(inner, f"{before}{name}.")


def _shard_documents(
    folder: Path,
    shard: ShardManifest,
    conditions: Sequence[Condition],
    fields: _SeenFields,
    read: Callable[[int], None],
) -> DocumentNumbers:
    if METADATA not in shard.files:
        raise PlanError(f"{folder}: the shard has no metadata, so documents can be named by their ids only")
    numbers = array("Q")
    for number, line in _lines(folder / METADATA, read):
        fields.note(line)
        if all(condition.holds(line) for condition in conditions):
            numbers.append(number)
    return _ascending(numbers)


def _lines(path: Path, read: Callable[[int], None]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with path.open("rb") as file:
        for number, content in enumerate(file):
            try:
                line = json.loads(content)
            except ValueError as error:
                raise PlanError(
                    f"{path}:{number + 1}: not JSON ({error}); 'headwater index verify' says more"
                ) from error
            if not isinstance(line, dict):
                raise PlanError(f"{path}:{number + 1}: {type(line).__name__}, expected a JSON object")
            yield number, line
            read(len(content))


def _ascending(numbers: "array[int]") -> DocumentNumbers:
    return np.unique(np.frombuffer(numbers, dtype=np.uint64))
