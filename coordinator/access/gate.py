"""The gate that every request passes: whose key it came with, and whether that may do what is asked.

Without a key file, the gate is open to whoever reaches it, but for admin calls.
"""

import asyncio
import contextlib
import logging
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from coordinator.access.audit_log import AdminCall, AuditLog
from coordinator.access.key_file import parse_key_file, read_key_file
from coordinator.access.keyring import Keyring, Refusal
from coordinator.access.refused_calls import RefusedCalls
from coordinator.access.roles import ROLES, Role
from coordinator.api.caller import Caller, caller_of
from coordinator.errors import ConfigurationError, PermissionDeniedError, UnauthenticatedError

_log = logging.getLogger(__name__)

# Of the header, and of the gRPC metadata.
AUTHORIZATION_KEY = "authorization"
_BEARER = re.compile(r"bearer +(\S+) *", re.IGNORECASE)

# The same for a key that is missing, wrong, not good yet or no more.
_NO_KEY = "a valid API key is needed: send authorization: Bearer KEY"


class AccessObserver(Protocol):
    """Is told what happens at the gate."""

    def denied(self, reason: str) -> None:
        """A request was turned away: a `Refusal`, or ``role``."""

    def key_file_read(self, is_in_force: bool) -> None:
        """The key file was looked at; it is what counts, or it has a fault and an older one counts."""


class NoAccessObserver:
    """Does nothing with it."""

    def denied(self, reason: str) -> None:
        """Ignores it."""

    def key_file_read(self, is_in_force: bool) -> None:
        """Ignores it."""


class Gate:
    """Belongs to one event loop.

    Attributes:
        audit_log: The record of admin calls; those that are turned away are in it already, many as one.
    """

    def __init__(
        self,
        keys_file: Path | None = None,
        audit_log: Path | None = None,
        *,
        observer: AccessObserver | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ):
        """Reads the key file, if there is to be one.

        Raises:
            ConfigurationError: it is not as it should be, or the audit log cannot be written.
        """
        self._keys_file = keys_file
        self._observer = observer or NoAccessObserver()
        self._clock = clock
        self.audit_log = AuditLog(audit_log)
        self._refused = RefusedCalls(self.audit_log)
        self._keyring: Keyring | None = None
        self._content = b""
        self._fault = ""
        self._watching: asyncio.Task[None] | None = None
        if keys_file is not None:
            self._content = read_key_file(keys_file)
            self._keyring = parse_key_file(self._content, keys_file)
            self._observer.key_file_read(True)

    @property
    def needs_keys(self) -> bool:
        """Whether requests need a key."""
        return self._keyring is not None

    def identify(self, metadata: Iterable[tuple[str, Any]]) -> Caller:
        """Returns the caller that metadata or headers name. With keys, it is named by its key, and by nothing else."""
        metadata = list(metadata)
        caller = caller_of(metadata)
        if self._keyring is None:
            return caller
        found = self._keyring.find(_presented(metadata), self._clock())
        if isinstance(found, Refusal):
            return Caller(caller.request_id, refusal=found)
        return Caller(caller.request_id, found.id, found)

    async def permit(self, caller: Caller, method: str | None) -> None:
        """Returns if the caller may ask ``method``; None is what is no method of ours, which any key may ask for.

        Raises:
            UnauthenticatedError: it has no key that is good now.
            PermissionDeniedError: its key is for other things.
        """
        role = ROLES.get(method) if method else None
        if self._keyring is None:
            if role is Role.ADMIN:
                raise PermissionDeniedError(f"{method} needs a key with the role admin, and no keys_file is set here")
            return
        if caller.holder is None:
            reason = caller.refusal or Refusal.MISSING
            self._observer.denied(reason)
            raise UnauthenticatedError(_NO_KEY)
        if method and role not in caller.holder.roles:
            self._observer.denied("role")
            error = PermissionDeniedError(
                f"this key has the roles {', '.join(sorted(caller.holder.roles))}; {method} needs {role or 'another'}"
            )
            if role is Role.ADMIN:
                await self._refused.note(AdminCall(caller.request_id, caller.client_id, method, "PERMISSION_DENIED"))
            raise error

    def watch(self, interval_s: float) -> None:
        """Looks at the key file from time to time, until it is closed; 0 is never."""
        if self._keys_file is not None and interval_s:
            self._watching = asyncio.create_task(self._watch(interval_s), name="key file")

    async def reload(self) -> None:
        """Looks at the key file. One with a fault is told in the log, and changes nothing."""
        if self._keys_file is None:
            return
        try:
            content = await asyncio.to_thread(read_key_file, self._keys_file)
            if content != self._content:
                self._keyring = await asyncio.to_thread(parse_key_file, content, self._keys_file)
                self._content = content
                _log.info("keys changed", extra={"path": str(self._keys_file), "keys": len(self._keyring)})
            self._fault = ""
        except ConfigurationError as error:
            if str(error) != self._fault:
                _log.error("key file refused, the keys before it still count", extra={"reason": str(error)})
            self._fault = str(error)
        self._observer.key_file_read(not self._fault)

    async def close(self) -> None:
        """Stops looking, and writes what the audit log lacks."""
        await self._refused.close()
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching

    async def _watch(self, interval_s: float) -> None:
        while True:
            await asyncio.sleep(interval_s)
            try:
                await self.reload()
            except Exception:  # the edge of a task that nobody awaits: a bug of ours must not end it unheard
                _log.exception("key file not looked at")
                self._observer.key_file_read(False)


def _presented(metadata: Iterable[tuple[str, Any]]) -> str:
    """Returns the key that came; empty if there is none, or more than one place where it could be."""
    given = [value for name, value in metadata if name.lower() == AUTHORIZATION_KEY]
    if len(given) != 1 or not isinstance(given[0], str):
        return ""
    found = _BEARER.fullmatch(given[0])
    return found[1] if found else ""
