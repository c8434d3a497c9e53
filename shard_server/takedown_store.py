"""Keeps the list of takedowns of a shard server on disk, so that it is obeyed from the first call after a restart.

::

    takedowns.json: {"version": 1, "sha256": "of the list", "list": {"epoch": 7, "index_id": "...", "takedowns": [...]}}
"""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from index_format.errors import TakedownError
from index_format.manifest import flush_directory
from index_format.takedowns import Takedown, refuse_unknown, takedown_from_json, takedown_to_json
from shard_server.errors import TakedownStoreError

TAKEDOWNS_FILE = "takedowns.json"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class KeptTakedowns:
    """A list of takedowns as a coordinator sent it: all that are in force.

    Attributes:
        epoch: Number of the list; a later one is larger. 0: there never was one.
        index_id: Index that was served when it came.
        takedowns: The takedowns.
    """

    epoch: int
    index_id: str
    takedowns: tuple[Takedown, ...] = ()


class TakedownStore:
    """The list in a directory of one server."""

    def __init__(self, directory: Path):
        """Keeps the list in ``directory``, which is made if it is not there.

        Raises:
            TakedownStoreError: it cannot be made.
        """
        self._path = directory / TAKEDOWNS_FILE
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise TakedownStoreError(
                f"{directory}: cannot be made ({error.strerror}); set another state_dir"
            ) from error

    def load(self) -> KeptTakedowns | None:
        """Returns the list, or None if none was ever saved.

        Raises:
            TakedownStoreError: there is one and it cannot be read: to go on without it would show what was taken down.
        """
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unreadable(str(error.strerror)) from error
        try:
            return _parse(content)
        except TakedownError as error:
            raise self._unreadable(str(error)) from error

    def save(self, kept: KeptTakedowns) -> None:
        """Puts a list in the place of the one before, durably: a crash leaves one or the other.

        Raises:
            TakedownStoreError: it cannot be written; the one before is still there.
        """
        beside = self._path.with_name(self._path.name + ".tmp")
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(_written(kept))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
            flush_directory(self._path.parent)
        except OSError as error:
            raise TakedownStoreError(f"{self._path}: cannot be written ({error.strerror}), nothing changed") from error

    def _unreadable(self, reason: str) -> TakedownStoreError:
        return TakedownStoreError(
            f"{self._path}: cannot be obeyed ({reason}); restore it, or remove it if a coordinator with a "
            "takedown_file sends its list before it asks this server"
        )


def _written(kept: KeptTakedowns) -> bytes:
    takedowns = [takedown_to_json(takedown) for takedown in kept.takedowns]
    inner = {"epoch": kept.epoch, "index_id": kept.index_id, "takedowns": takedowns}
    return json.dumps({"version": _VERSION, "sha256": _sha256(inner), "list": inner}).encode()


def _parse(content: bytes) -> KeptTakedowns:
    try:
        fields = json.loads(content)
        inner = fields.get("list") if isinstance(fields, dict) else None
        sha256 = _sha256(inner)
    except (ValueError, RecursionError):
        raise TakedownError("not valid JSON") from None
    if not isinstance(fields, dict) or fields.get("version") != _VERSION:
        raise TakedownError(f"not a list of version {_VERSION}")
    if not isinstance(inner, dict) or fields.get("sha256") != sha256:
        raise TakedownError("the list is not the one that was saved")
    takedowns, epoch, index_id = (inner.pop(name, None) for name in ("takedowns", "epoch", "index_id"))
    refuse_unknown(inner)
    if not isinstance(takedowns, list) or type(epoch) is not int or epoch < 1 or not isinstance(index_id, str):
        raise TakedownError("the list has no epoch, index_id or takedowns")
    return KeptTakedowns(epoch, index_id, tuple(map(takedown_from_json, takedowns)))


def _sha256(inner: Any) -> str:
    return hashlib.sha256(json.dumps(inner, sort_keys=True).encode()).hexdigest()
