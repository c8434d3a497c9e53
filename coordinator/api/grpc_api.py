"""The gRPC face of a coordinator. Runs under Ray Serve and under a plain ``grpc.aio`` server alike."""

import logging
from collections.abc import Awaitable, Sequence
from typing import Protocol, TypeVar

import grpc

from coordinator.api import codec
from coordinator.api.description_codec import encode_description
from coordinator.api.json_codec import parse_document_id
from coordinator.api.request_codec import decode_count_request, decode_trace_request
from coordinator.api.status import INTERNAL, PROBLEM_METADATA, fault_of
from coordinator.errors import CoordinatorError
from coordinator.service import Coordinator
from protos.coordinator.v1 import coordinator_pb2 as pb

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class RpcContext(Protocol):
    """What is used of a call's context; Serve's has no more."""

    def set_code(self, code: grpc.StatusCode) -> None:
        """Sets the status."""

    def set_details(self, details: str) -> None:
        """Sets the status message."""

    def set_trailing_metadata(self, trailing_metadata: Sequence[tuple[str, str]]) -> None:
        """Sets what is sent after the response."""


class GrpcApi:
    """Decodes a request, asks the coordinator, encodes the response. Methods are named as the service's."""

    def __init__(self, coordinator: Coordinator):
        self._coordinator = coordinator

    async def Trace(self, request: pb.TraceRequest, context: RpcContext) -> pb.TraceResponse:
        """See protos/coordinator/v1."""
        return await _answer(self._trace(request), pb.TraceResponse(), context)

    async def Count(self, request: pb.CountRequest, context: RpcContext) -> pb.CountResponse:
        """See protos/coordinator/v1."""
        return await _answer(self._count(request), pb.CountResponse(), context)

    async def GetDocument(self, request: pb.GetDocumentRequest, context: RpcContext) -> pb.GetDocumentResponse:
        """See protos/coordinator/v1."""
        return await _answer(self._get_document(request), pb.GetDocumentResponse(), context)

    async def Describe(self, request: pb.DescribeRequest, context: RpcContext) -> pb.DescribeResponse:
        """See protos/coordinator/v1."""
        return await _answer(self._describe(request), pb.DescribeResponse(), context)

    async def _trace(self, request: pb.TraceRequest) -> pb.TraceResponse:
        trace = await self._coordinator.trace(decode_trace_request(request), request.timeout_ms)
        return codec.encode_trace(trace)

    async def _count(self, request: pb.CountRequest) -> pb.CountResponse:
        return codec.encode_count(await self._coordinator.count(decode_count_request(request), request.timeout_ms))

    async def _get_document(self, request: pb.GetDocumentRequest) -> pb.GetDocumentResponse:
        document = await self._coordinator.get_document(
            parse_document_id(request.id), request.start, request.max_tokens, request.timeout_ms
        )
        return codec.encode_document_text(document)

    async def _describe(self, request: pb.DescribeRequest) -> pb.DescribeResponse:
        description = await self._coordinator.describe(request.timeout_ms)
        return pb.DescribeResponse(description=encode_description(description))


async def _answer(work: Awaitable[_T], empty: _T, context: RpcContext) -> _T:
    """Returns the outcome of ``work``, or the status of its error and ``empty``.

    Under Serve an error must be set on the context and returned from: its details are lost if it is raised.
    """
    try:
        return await work
    except CoordinatorError as error:
        fault = fault_of(error)
        context.set_code(fault.grpc_status)
        context.set_details(str(error))
        # Two errors can share a status; the problem tells a client which it is.
        context.set_trailing_metadata([(PROBLEM_METADATA, fault.problem)])
    except Exception:  # the process edge: what is left is a bug of ours
        _log.exception("request failed")
        context.set_code(INTERNAL.grpc_status)
        context.set_details(f"{INTERNAL.title}; its log says why")
    return empty
