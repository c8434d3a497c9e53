"""The admin calls over gRPC. What goes round every call has asked the gate for them already."""

from coordinator.api import takedown_codec as codec
from coordinator.api.administration import Administration
from coordinator.api.grpc_call import RpcContext, answer
from coordinator.errors import InvalidRequestError
from coordinator.service import Coordinator
from coordinator.takedowns import MAX_DOCUMENTS, MAX_TAKEDOWNS
from protos.coordinator.v1 import coordinator_pb2 as pb


class GrpcAdmin:
    """Methods are named as those of the AdminService."""

    def __init__(self, coordinator: Coordinator, max_request_bytes: int):
        self._admin = Administration(coordinator)
        self._of_every_admin_call = (max_request_bytes, coordinator.metrics, coordinator.gate)

    async def AddTakedowns(self, request: pb.AddTakedownsRequest, context: RpcContext) -> pb.AddTakedownsResponse:
        """See protos/coordinator/v1."""
        empty = pb.AddTakedownsResponse()
        return await answer("AddTakedowns", request, self._add, empty, context, *self._of_every_admin_call)

    async def LiftTakedowns(self, request: pb.LiftTakedownsRequest, context: RpcContext) -> pb.LiftTakedownsResponse:
        """See protos/coordinator/v1."""
        empty = pb.LiftTakedownsResponse()
        return await answer("LiftTakedowns", request, self._lift, empty, context, *self._of_every_admin_call)

    async def ListTakedowns(self, request: pb.ListTakedownsRequest, context: RpcContext) -> pb.ListTakedownsResponse:
        """See protos/coordinator/v1."""
        empty = pb.ListTakedownsResponse()
        return await answer("ListTakedowns", request, self._list, empty, context, *self._of_every_admin_call)

    async def PreviewTakedown(
        self, request: pb.PreviewTakedownRequest, context: RpcContext
    ) -> pb.PreviewTakedownResponse:
        """See protos/coordinator/v1."""
        empty = pb.PreviewTakedownResponse()
        return await answer("PreviewTakedown", request, self._preview, empty, context, *self._of_every_admin_call)

    async def _add(self, request: pb.AddTakedownsRequest) -> pb.AddTakedownsResponse:
        _check_number("takedowns", len(request.takedowns), MAX_TAKEDOWNS)
        takedowns = list(map(codec.decode_takedown, request.takedowns))
        return codec.encode_added(await self._admin.add_takedowns(takedowns, request.timeout_ms))

    async def _lift(self, request: pb.LiftTakedownsRequest) -> pb.LiftTakedownsResponse:
        _check_number("ids", len(request.ids), MAX_TAKEDOWNS)
        return codec.encode_lifted(await self._admin.lift_takedowns(tuple(request.ids), request.timeout_ms))

    async def _list(self, request: pb.ListTakedownsRequest) -> pb.ListTakedownsResponse:
        return codec.encode_listed(await self._admin.list_takedowns(request.timeout_ms))

    async def _preview(self, request: pb.PreviewTakedownRequest) -> pb.PreviewTakedownResponse:
        _check_number("max_documents", request.max_documents, MAX_DOCUMENTS)
        if not 0 <= request.min_copied_share <= 1:
            raise InvalidRequestError(
                f"min_copied_share is {request.min_copied_share}, expected 0 to 1", "min_copied_share"
            )
        takedown = codec.decode_takedown(request.takedown)
        return codec.encode_preview(
            await self._admin.preview_takedown(
                takedown, request.max_documents, request.min_copied_share, request.timeout_ms
            )
        )


def _check_number(field: str, found: int, most: int) -> None:
    if not 1 <= found <= most:
        raise InvalidRequestError(f"{field}: {found}, expected 1 to {most:,}", field)
