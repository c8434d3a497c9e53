"""The admin calls of a coordinator: documents taken down and let back in. They need a key with the role admin."""

from collections.abc import Sequence

from coordinator.api import takedown_codec as codec
from coordinator.takedowns import Takedown, TakedownPreview, TakedownsAdded, TakedownsLifted, TakedownsListed
from headwater.address import checked_address
from headwater.connection import Connection
from headwater.remote import RemoteIndex, milliseconds
from protos.coordinator.v1 import coordinator_pb2 as pb
from protos.coordinator.v1 import coordinator_pb2_grpc

DEFAULT_TIMEOUT_S = 60.0


class RemoteAdmin(RemoteIndex):
    """A connection to a coordinator that can also administer it. Errors are those of the other calls.

    Raises:
        UnauthenticatedError: the connection shows no key that is good.
        PermissionDeniedError: its key has not the role admin, or the coordinator has no keys.
    """

    def __init__(self, target: str, connection: Connection | None = None):
        """Connects to ``host:port`` at the first call."""
        super().__init__(checked_address(target), connection)
        self._admin = coordinator_pb2_grpc.AdminServiceStub(self._channel)

    def add_takedowns(self, takedowns: Sequence[Takedown], *, timeout_s: float = DEFAULT_TIMEOUT_S) -> TakedownsAdded:
        """Takes documents down. When it returns, no answer of this coordinator shows them."""
        message = pb.AddTakedownsRequest(
            takedowns=map(codec.encode_takedown, takedowns), timeout_ms=milliseconds(timeout_s)
        )
        return codec.decode_added(self._call(self._admin.AddTakedowns, message, timeout_s))

    def lift_takedowns(self, ids: Sequence[str], *, timeout_s: float = DEFAULT_TIMEOUT_S) -> TakedownsLifted:
        """Ends takedowns."""
        message = pb.LiftTakedownsRequest(ids=ids, timeout_ms=milliseconds(timeout_s))
        return codec.decode_lifted(self._call(self._admin.LiftTakedowns, message, timeout_s))

    def list_takedowns(self, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> TakedownsListed:
        """Returns the takedowns in force, and how far the replicas are."""
        message = pb.ListTakedownsRequest(timeout_ms=milliseconds(timeout_s))
        return codec.decode_listed(self._call(self._admin.ListTakedowns, message, timeout_s))

    def preview_takedown(
        self,
        takedown: Takedown,
        max_documents: int = 100,
        min_copied_share: float = 0.0,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> TakedownPreview:
        """Returns the documents that a takedown would concern; with a share, near copies of them, too."""
        message = pb.PreviewTakedownRequest(
            takedown=codec.encode_takedown(takedown),
            max_documents=max_documents,
            min_copied_share=min_copied_share,
            timeout_ms=milliseconds(timeout_s),
        )
        return codec.decode_preview(self._call(self._admin.PreviewTakedown, message, timeout_s))
