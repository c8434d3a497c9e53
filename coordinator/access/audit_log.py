"""The record of admin calls, and of the takedowns that come into force: a file with a line of JSON for each.

A call is written and synced before it is answered. It holds ids, hashes and reasons, never what was taken down, and
nothing of what a document says.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from coordinator.access.takedown_record import TakedownsInForce
from coordinator.errors import ConfigurationError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AdminCall:
    """One call.

    Attributes:
        request_id: Names the request in the log.
        holder: Whose key it came with; empty without one.
        rpc: What was asked.
        outcome: gRPC status by name.
        takedowns: Ids of takedowns that it was about.
        targets: Kind and value of what was to be taken down; values are written as their SHA-256.
        num_calls: How many such calls the record stands for; the request is the last of them.
    """

    request_id: str
    holder: str
    rpc: str
    outcome: str
    takedowns: tuple[str, ...] = ()
    targets: tuple[tuple[str, str], ...] = ()
    num_calls: int = 1

    def as_fields(self) -> Mapping[str, object]:
        """Returns what is written of it."""
        return {
            "request_id": self.request_id,
            "key": self.holder,
            "rpc": self.rpc,
            "outcome": self.outcome,
            "takedowns": list(self.takedowns),
            "targets": list(_hashed(self.targets)),
            **({"calls": self.num_calls} if self.num_calls > 1 else {}),
        }


class AuditLog:
    """Writes the record, to a file and to the log. Several processes of one machine may write one file."""

    def __init__(self, path: Path | None):
        """Takes the file; None is none.

        Raises:
            ConfigurationError: it cannot be written.
        """
        self._path = path
        if path is not None:
            try:
                os.close(_open(path))
            except OSError as error:
                raise ConfigurationError(f"{path}: cannot write the audit log ({error.strerror})") from error

    async def check(self) -> None:
        """Returns if the record can be written; to be asked before anything is done that has to be in it.

        Raises:
            ConfigurationError: it cannot.
        """
        await asyncio.to_thread(AuditLog, self._path)

    async def write(self, call: AdminCall) -> None:
        """Writes a record; returns once it is on the disk.

        Raises:
            ConfigurationError: it could not be written.
        """
        _log.info("admin call", extra={"rpc": call.rpc, "client": call.holder, "code": call.outcome})
        await self._append(call.as_fields)

    async def write_in_force(self, record: TakedownsInForce) -> None:
        """Writes which takedowns have come into force. If that fails it is logged: they are in force all the same."""
        with contextlib.suppress(ConfigurationError):
            await self._append(record.as_fields)

    async def _append(self, fields: Callable[[], Mapping[str, object]]) -> None:
        if self._path is None:
            return
        try:
            await asyncio.to_thread(_append, self._path, fields)
        except OSError as error:
            _log.error("audit log not written", extra={"path": str(self._path), "reason": error.strerror})
            raise ConfigurationError(f"{self._path}: cannot write the audit log ({error.strerror})") from error


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _append(path: Path, fields: Callable[[], Mapping[str, object]]) -> None:
    written = json.dumps({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **fields()})
    line = f"{written}\n".encode()
    # Opened each time: a log that was moved aside is begun anew.
    file = _open(path)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)  # released when the file is closed
        while line:
            line = line[os.write(file, line) :]
        os.fsync(file)
    finally:
        os.close(file)


def _hashed(targets: Iterable[tuple[str, str]]) -> Iterable[Mapping[str, str]]:
    for kind, value in targets:
        yield {"kind": kind, "sha256": hashlib.sha256(value.encode(errors="replace")).hexdigest()}
