"""The admin calls as both faces make them: each is in the audit log, whatever becomes of it."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from coordinator.access.audit_log import AdminCall
from coordinator.api import caller
from coordinator.api.status import INTERNAL, fault_of
from coordinator.errors import CoordinatorError
from coordinator.service import Coordinator
from coordinator.takedowns import Takedown, TakedownPreview, TakedownsAdded, TakedownsLifted, TakedownsListed


class Administration:
    """Asks the coordinator and writes the record: before the answer, and not at all if it could not be written.

    The gate has let the caller in already. A request that cannot be read never comes here, and is in no record.
    """

    def __init__(self, coordinator: Coordinator):
        self._coordinator = coordinator

    async def add_takedowns(self, takedowns: Sequence[Takedown], timeout_ms: int) -> TakedownsAdded:
        """Adds takedowns."""
        async with self._audited("AddTakedowns", [each.id for each in takedowns if each.id], takedowns) as ids:
            added = await self._coordinator.add_takedowns(takedowns, timeout_ms)
            ids[:] = [each.id for each in added.takedowns]
            return added

    async def lift_takedowns(self, ids: Sequence[str], timeout_ms: int) -> TakedownsLifted:
        """Ends takedowns."""
        async with self._audited("LiftTakedowns", ids):
            return await self._coordinator.lift_takedowns(ids, timeout_ms)

    async def list_takedowns(self, timeout_ms: int) -> TakedownsListed:
        """Returns the takedowns in force."""
        async with self._audited("ListTakedowns"):
            return await self._coordinator.list_takedowns(timeout_ms)

    async def preview_takedown(
        self, takedown: Takedown, max_documents: int, min_copied_share: float, timeout_ms: int
    ) -> TakedownPreview:
        """Returns what a takedown would concern."""
        async with self._audited("PreviewTakedown", targets=[takedown]):
            return await self._coordinator.preview_takedown(takedown, max_documents, min_copied_share, timeout_ms)

    @asynccontextmanager
    async def _audited(
        self, rpc: str, ids: Sequence[str] = (), targets: Sequence[Takedown] = ()
    ) -> AsyncGenerator[list[str], None]:
        """Writes a record when the block ends. It holds the ids that the block leaves in the list that it gets."""
        audit_log, asks, outcome = self._coordinator.gate.audit_log, caller.current(), "OK"
        noted = list(ids)
        await audit_log.check()
        try:
            yield noted
        except CoordinatorError as error:
            outcome = fault_of(error).grpc_status.name
            raise
        except asyncio.CancelledError:  # what was asked may have been done
            outcome = "CANCELLED"
            raise
        except Exception:
            outcome = INTERNAL.grpc_status.name
            raise
        finally:
            record = AdminCall(
                asks.request_id, asks.client_id, rpc, outcome, tuple(noted), tuple(map(_target_of, targets))
            )
            await asyncio.shield(audit_log.write(record))


def _target_of(takedown: Takedown) -> tuple[str, str]:
    """Returns kind and value of what a takedown is of; what it should not have two of, as one."""
    named = {
        "document": takedown.document,
        "url": takedown.url,
        "domain": takedown.domain,
        "source": takedown.source,
        "content_sha256": takedown.content_sha256,
    }
    given = {kind: value for kind, value in named.items() if value}
    return "+".join(given), "\n".join(given.values())
