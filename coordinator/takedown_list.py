"""The list of takedowns in force, as the takedown file holds it.

::

    {"version": 1, "epoch": 7, "takedowns": [
      {"id": "t-1", "domain": "example.org", "corpora": ["pre"], "reason": "request 17", "added_s": 1790000000},
      {"id": "t-2", "corpora": ["pre"], "document": {"index_id": "1f2e", "shard": 0, "number": 5,
       "content": {"sha256": "9f86...", "num_tokens": 812}}}]}

``epoch`` is the number of the list: every change makes it larger. ``corpora`` are names; a document has its own.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from coordinator.errors import InvalidRequestError
from index_format.errors import TakedownError
from index_format.takedowns import (
    DocumentTarget,
    Takedown,
    Target,
    check_takedown_id,
    refuse_unknown,
    target_from_json,
    target_to_json,
)

MAX_REASON_CHARS = 500
_VERSION = 1
# One encoder for all: `json.dumps` makes one a call.
_to_json = json.JSONEncoder(ensure_ascii=False).encode
_MOST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class KeptTakedown:
    """One takedown, as an operator set it.

    Attributes:
        id: Names it.
        target: What it concerns.
        corpora: Names of the corpora that it concerns; none means every one. A document has the one it is of.
        reason: Why, for the record.
        added_s: When it was added, in seconds since 1970.

    Raises:
        TakedownError: a field is out of range.
    """

    id: str
    target: Target
    corpora: tuple[str, ...] = ()
    reason: str = ""
    added_s: int = 0

    def __post_init__(self) -> None:
        check_takedown_id(self.id)
        if len(self.reason) > MAX_REASON_CHARS or not self.reason.isprintable():
            raise TakedownError(
                f"takedown {self.id}: the reason has {len(self.reason)} characters, expected at most "
                f"{MAX_REASON_CHARS} on one line"
            )
        if not all(self.corpora):
            raise TakedownError(f"takedown {self.id}: a name in corpora is empty, expected the name of a corpus")
        if isinstance(self.target, DocumentTarget) and len(self.corpora) != 1:
            raise TakedownError(f"takedown {self.id}: a document with {len(self.corpora)} corpora, expected its own")
        if type(self.added_s) is not int or not 0 <= self.added_s <= _MOST:
            raise TakedownError(f"takedown {self.id}: added_s is {str(self.added_s)[:80]}, expected seconds since 1970")

    def concerns(self, index_ids: Mapping[str, str]) -> bool:
        """Says whether it concerns any of these corpora, each given with its index; that of its document it does."""
        if not self.corpora or any(name in index_ids for name in self.corpora):
            return True
        return isinstance(self.target, DocumentTarget) and self.target.index_id in index_ids.values()


@dataclass(frozen=True, slots=True)
class TakedownList:
    """The takedowns in force, by id, and the number of the list: 0 before there was any."""

    epoch: int
    takedowns: tuple[KeptTakedown, ...]

    @classmethod
    def parse(cls, content: bytes, path: Path) -> Self:
        """Returns the list that the content of a takedown file says; ``path`` is for messages.

        Raises:
            TakedownError: it is none, or something in it is unknown. Nothing of it may be left out.
        """
        try:
            fields = _object("the file", json.loads(content))
            version = fields.pop("version", None)
            if version != _VERSION:
                raise TakedownError(f"version is {str(version)[:20]}, this build reads {_VERSION}")
            epoch, raw = fields.pop("epoch", None), fields.pop("takedowns", None)
            refuse_unknown(fields)
            if type(epoch) is not int or not 1 <= epoch <= _MOST:
                raise TakedownError(f"epoch is {str(epoch)[:20]}, expected a whole number from 1 on")
            if not isinstance(raw, list):
                raise TakedownError("takedowns is missing or no list")
            takedowns = {one.id: one for one in map(_takedown, raw)}
        except (ValueError, RecursionError, TakedownError) as error:
            raise TakedownError(f"{path}: cannot read the takedown file ({error})") from None
        if len(takedowns) < len(raw):
            raise TakedownError(f"{path}: an id stands there twice; {len(raw)} takedowns have {len(takedowns)} ids")
        return cls(epoch, tuple(takedowns[id_] for id_ in sorted(takedowns)))

    def to_json(self) -> bytes:
        """Returns the content of a takedown file: one takedown a line."""
        lines = ",\n".join(_to_json(_fields(one)) for one in self.takedowns)
        return f'{{"version": {_VERSION}, "epoch": {self.epoch}, "takedowns": [\n{lines}\n]}}\n'.encode()


NO_TAKEDOWNS = TakedownList(0, ())


def own_id(target: Target, corpora: Sequence[str], reason: str) -> str:
    """Returns the id of a takedown that was given none: the same whenever it is sent, so that it is kept once."""
    said = json.dumps([target_to_json(target), sorted(corpora), reason], sort_keys=True)
    return f"t-{hashlib.sha256(said.encode(errors='replace')).hexdigest()[:16]}"


def with_added(before: Iterable[KeptTakedown], added: Iterable[KeptTakedown]) -> tuple[KeptTakedown, ...]:
    """Returns takedowns with further ones; of the same id and target, one with another reason is replaced.

    Raises:
        InvalidRequestError: one of the same id concerns something else, which would be found again.
    """
    found = {one.id: one for one in before}
    for one in added:
        earlier = found.get(one.id, one)
        if (earlier.target, earlier.corpora) != (one.target, one.corpora):
            raise InvalidRequestError(
                f"takedown {one.id!r} is in force for something else, which would be found again; give this one "
                "another id, or lift that one first",
                "takedowns",
            )
        if earlier.reason != one.reason:
            found[one.id] = one
        else:
            found.setdefault(one.id, one)
    return tuple(found.values())


def shard_takedowns(takedowns: TakedownList, index_ids: Mapping[str, str]) -> tuple[Takedown, ...]:
    """Returns what an index has to obey that holds these corpora, each given with its index, and no others."""
    return tuple(Takedown(one.id, one.target) for one in takedowns.takedowns if one.concerns(index_ids))


def _takedown(raw: object) -> KeptTakedown:
    fields = _object("a takedown", raw)
    id_ = fields.pop("id", None)
    if not isinstance(id_, str):
        raise TakedownError("the id of a takedown is missing or no string")
    try:
        target = target_from_json(fields)
        corpora, reason, added_s = fields.pop("corpora", []), fields.pop("reason", ""), fields.pop("added_s", 0)
        refuse_unknown(fields)
        if not isinstance(corpora, list) or not all(isinstance(name, str) for name in corpora):
            raise TakedownError("corpora is no list of names")
        if not isinstance(reason, str):
            raise TakedownError("reason is no string")
        return KeptTakedown(id_, target, tuple(corpora), reason, added_s)
    except TakedownError as error:
        raise TakedownError(f"takedown {id_[:80]!r}: {error}") from None


def _fields(takedown: KeptTakedown) -> dict[str, Any]:
    fields: dict[str, Any] = {"id": takedown.id, **target_to_json(takedown.target)}
    if takedown.corpora:
        fields["corpora"] = list(takedown.corpora)
    if takedown.reason:
        fields["reason"] = takedown.reason
    if takedown.added_s:
        fields["added_s"] = takedown.added_s
    return fields


def _object(name: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TakedownError(f"{name} is a JSON {type(value).__name__}, expected an object")
    return dict(value)
