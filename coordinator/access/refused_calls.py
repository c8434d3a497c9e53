"""Admin calls that were turned away for their role, as the audit log has them: the first, then how many more.

Whoever has any key can make such calls. One record each would let a key without the role fill the disk, and would wait
for it each time.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic

from coordinator.access.audit_log import AdminCall, AuditLog
from coordinator.errors import ConfigurationError

# At most two records of each key and method in so long.
_SUM_S = 60.0


@dataclass(slots=True)
class _Further:
    """Calls after one that was written: the last, and how many; ``until`` when they are counted as one record."""

    call: AdminCall
    num_calls: int
    until: float


class RefusedCalls:
    """Writes them. Belongs to one event loop."""

    def __init__(self, audit_log: AuditLog, *, sum_s: float = _SUM_S, clock: Callable[[], float] = monotonic):
        """Sums up the calls of one key and method within ``sum_s`` seconds after the first."""
        self._audit_log = audit_log
        self._sum_s = sum_s
        self._clock = clock
        # There are as many as keys in the key file and methods with the role.
        self._further: dict[tuple[str, str], _Further] = {}
        self._waiting: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def note(self, call: AdminCall) -> None:
        """Takes note of a call: writes it, or counts it.

        Raises:
            ConfigurationError: it cannot be written.
        """
        key = (call.holder, call.rpc)
        further = self._further.get(key)
        if further is not None and self._clock() < further.until:
            further.call, further.num_calls = call, further.num_calls + 1
            return
        self._further[key] = _Further(call, 0, self._clock() + self._sum_s)
        waiting = self._waiting.pop(key, None)
        if waiting is not None:
            waiting.cancel()
        self._waiting[key] = asyncio.create_task(self._sum_up_later(key), name="refused admin calls")
        if further is not None:
            await self._write(further)
        await self._audit_log.write(call)

    async def close(self) -> None:
        """Writes what is counted so far."""
        for task in self._waiting.values():
            task.cancel()
        self._waiting.clear()
        left, self._further = self._further, {}
        for further in left.values():
            with contextlib.suppress(ConfigurationError):  # the audit log has told it
                await self._write(further)

    async def _sum_up_later(self, key: tuple[str, str]) -> None:
        await asyncio.sleep(self._sum_s)
        further = self._further.pop(key)
        del self._waiting[key]
        with contextlib.suppress(ConfigurationError):
            await self._write(further)

    async def _write(self, further: _Further) -> None:
        if further.num_calls:
            await self._audit_log.write(replace(further.call, num_calls=further.num_calls))
