"""Keeps the list of takedowns of a shard server on disk, so that it is obeyed from the first call after a restart.

::

    takedowns.json: {"version": 1, "sha256": "of the list", "list": {"epoch": 7, "index_id": "...", "takedowns": [...]}}
"""

import hashlib
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from index_format.errors import TakedownError
from index_format.manifest import flush_directory
from index_format.takedowns import Takedown, refuse_unknown, takedown_from_json, takedown_to_json
from shard_server.errors import TakedownStoreError

TAKEDOWNS_FILE = "takedowns.json"
_VERSION = 1
_LIST = b', "list": '
# One encoder for all: `json.dumps` makes one a call.
_to_json = json.JSONEncoder().encode

_log = logging.getLogger(__name__)


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
        """Puts a list in the place of the one before, durably, or the log says that it may not be.

        A crash leaves one or the other.

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
        except OSError as error:
            raise TakedownStoreError(f"{self._path}: cannot be written ({error.strerror}), nothing changed") from error
        try:
            flush_directory(self._path.parent)
        except OSError as error:
            # The list is there for every start but one after such a crash, whose coordinator sends it again.
            _log.error("takedowns kept, but a crash of the machine may undo it", extra={"reason": str(error)})

    def _unreadable(self, reason: str) -> TakedownStoreError:
        return TakedownStoreError(
            f"{self._path}: cannot be obeyed ({reason}); restore it, or remove it if a coordinator with a "
            "takedown_file sends its list before it asks this server"
        )


def _written(kept: KeptTakedowns) -> bytes:
    takedowns = [takedown_to_json(takedown) for takedown in kept.takedowns]
    inner = _to_json({"epoch": kept.epoch, "index_id": kept.index_id, "takedowns": takedowns}).encode()
    return b'{"version": %d, "sha256": "%s"%s%s}' % (_VERSION, _sha256(inner), _LIST, inner)


def _parse(content: bytes) -> KeptTakedowns:
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):
        raise TakedownError("not valid JSON") from None
    if not isinstance(fields, dict) or fields.get("version") != _VERSION:
        raise TakedownError(f"not a list of version {_VERSION}")
    _, found, inner_json = content.partition(_LIST)
    inner, sha256 = fields.get("list"), fields.get("sha256")
    # Of the bytes as they stand there: to write 100,000 takedowns again takes longer than to read them.
    if not found or not isinstance(inner, dict) or sha256 != _sha256(inner_json.removesuffix(b"}")).decode():
        raise TakedownError("the list is not the one that was saved")
    takedowns, epoch, index_id = (inner.pop(name, None) for name in ("takedowns", "epoch", "index_id"))
    refuse_unknown(inner)
    if not isinstance(takedowns, list) or type(epoch) is not int or epoch < 1 or not isinstance(index_id, str):
        raise TakedownError("the list has no epoch, index_id or takedowns")
    return KeptTakedowns(epoch, index_id, tuple(map(takedown_from_json, takedowns)))


def _sha256(inner: bytes) -> bytes:
    return hashlib.sha256(inner).hexdigest().encode()
