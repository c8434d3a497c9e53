"""What goes round every gRPC call: who asks, its otel_span, its record, its size, and how its errors are told."""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import Any, Protocol, TypeVar

import grpc
from google.protobuf.message import Message

from coordinator.access.gate import Gate
from coordinator.api import rich_status
from coordinator.api.caller import Caller, serving
from coordinator.api.grpc_service import Unread
from coordinator.api.message_size import check_answer_size
from coordinator.api.run_ahead import run_ahead
from coordinator.api.status import told
from coordinator.errors import CoordinatorError
from coordinator.metrics import CoordinatorMetrics
from coordinator.request_record import recorded_by_face
from protos.coordinator.v1 import coordinator_pb2 as pb
from runtime.request_id import METADATA_KEY
from runtime.telemetry import otel_span, set_attributes

_RequestT = TypeVar("_RequestT", bound=Message)
_ResponseT = TypeVar("_ResponseT", bound=Message)
_log = logging.getLogger(__name__)

SERVICE = pb.DESCRIPTOR.services_by_name["CoordinatorService"].full_name
_SERVICE_OF = {
    method.name: service.full_name for service in pb.DESCRIPTOR.services_by_name.values() for method in service.methods
}


class RpcContext(Protocol):
    """What is used of a call's context; Serve's has no more."""

    def invocation_metadata(self) -> Sequence[tuple[str, str | bytes]] | None:
        """Returns what came with the request."""

    def set_code(self, code: grpc.StatusCode) -> None:
        """Sets the status."""

    def set_details(self, details: str) -> None:
        """Sets the status message."""

    def set_trailing_metadata(self, trailing_metadata: list[tuple[str, str | bytes]]) -> None:
        """Sets what is sent after the response."""


async def answer(
    method: str,
    request: _RequestT | Unread,
    work: Callable[[_RequestT], Awaitable[_ResponseT]],
    empty: _ResponseT,
    context: RpcContext,
    max_request_bytes: int,
    metrics: CoordinatorMetrics,
    gate: Gate,
) -> _ResponseT:
    """Returns what ``work`` makes of a request, or the status of its error and ``empty``.

    Under Serve an error must be set on the context and returned from: its details are lost if it is raised.
    """
    caller = gate.identify(context.invocation_metadata() or ())
    try:
        with _one_call(method, caller, context, metrics):
            await gate.permit(caller, method)
            response = await work(_read(request, method, max_request_bytes))
            check_answer_size(response)
    except Exception as error:
        _tell(error, caller, context)
        return empty
    context.set_trailing_metadata([(METADATA_KEY, caller.request_id)])
    return response


async def answer_stream(
    method: str,
    request: _RequestT | Unread,
    work: Callable[[_RequestT], AsyncGenerator[_ResponseT, None]],
    empty: _ResponseT,
    context: RpcContext,
    max_request_bytes: int,
    metrics: CoordinatorMetrics,
    gate: Gate,
) -> AsyncGenerator[_ResponseT, None]:
    """Yields what ``work`` makes of a request; if it fails, at the start or in the middle, ends with its status.

    A proxy of Serve takes status and metadata over with each message, and none after the last: it is sent them with
    ``empty``, without which an error would be told as a stream that ended well.
    """
    caller = gate.identify(context.invocation_metadata() or ())
    context.set_trailing_metadata([(METADATA_KEY, caller.request_id)])

    async def responses() -> AsyncGenerator[_ResponseT, None]:
        with _one_call(method, caller, context, metrics):
            await gate.permit(caller, method)
            async with aclosing(work(_read(request, method, max_request_bytes))) as made:
                async for response in made:
                    check_answer_size(response)
                    yield response

    try:
        async with aclosing(run_ahead(responses())) as made:
            async for response in made:
                yield response
    except Exception as error:
        _tell(error, caller, context)
        if isinstance(request, Unread) and request.is_relayed:
            yield empty


@contextmanager
def _one_call(method: str, caller: Caller, context: RpcContext, metrics: CoordinatorMetrics) -> Iterator[None]:
    service = _SERVICE_OF[method]
    attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method, "request_id": caller.request_id}
    parent = context.invocation_metadata() or ()
    with (
        serving(caller),
        otel_span(f"{service}/{method}", kind="server", attributes=attributes, parent=parent),
        recorded_by_face(method, metrics),
    ):
        try:
            yield
        except Exception as error:
            set_attributes({"rpc.grpc.status_code": told(error).fault.grpc_status.value[0]})
            if not isinstance(error, CoordinatorError):  # the process edge: what is left is a bug of ours
                _log.exception("request failed", extra={"method": method})
            raise
        set_attributes({"rpc.grpc.status_code": 0})


def _read(request: _RequestT | Unread, method: str, max_request_bytes: int) -> _RequestT:
    """Returns a request as a message; who may not ask never gets as far as this."""
    if isinstance(request, Unread):
        message: _RequestT = request.read(method, max_request_bytes)
        return message
    return request


def _tell(error: Exception, caller: Caller, context: RpcContext) -> None:
    what = told(error)
    metadata: list[tuple[str, Any]] = [(METADATA_KEY, caller.request_id)]
    context.set_code(what.fault.grpc_status)
    context.set_details(what.message)
    context.set_trailing_metadata(metadata + rich_status.trailing_metadata(what, caller.request_id))
