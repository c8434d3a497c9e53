"""The gRPC face of a coordinator. Runs under Ray Serve and under a plain ``grpc.aio`` server alike."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from coordinator.api import codec
from coordinator.api.description_codec import encode_description
from coordinator.api.event_codec import encode_event
from coordinator.api.grpc_admin import GrpcAdmin
from coordinator.api.grpc_call import RpcContext, answer, answer_stream
from coordinator.api.json_codec import parse_document_id
from coordinator.api.message_size import in_parts
from coordinator.api.request_codec import decode_count_request, decode_trace_request
from coordinator.service import Coordinator
from protos.coordinator.v1 import coordinator_pb2 as pb

DEFAULT_MAX_REQUEST_BYTES = 4 * 1024 * 1024


class GrpcApi(GrpcAdmin):
    """Decodes a request, asks the coordinator, encodes the response. Methods are named as those of both services."""

    def __init__(self, coordinator: Coordinator, max_request_bytes: int = DEFAULT_MAX_REQUEST_BYTES):
        super().__init__(coordinator, max_request_bytes)
        self._coordinator = coordinator
        self._of_every_call = (max_request_bytes, coordinator.metrics, coordinator.gate)

    async def Trace(self, request: pb.TraceRequest, context: RpcContext) -> pb.TraceResponse:
        """See protos/coordinator/v1."""
        empty = pb.TraceResponse()
        return await answer("Trace", request, self._trace, empty, context, *self._of_every_call)

    async def TraceStream(
        self, request: pb.TraceStreamRequest, context: RpcContext
    ) -> AsyncGenerator[pb.TraceStreamResponse, None]:
        """See protos/coordinator/v1."""
        # gRPC takes for a stream only what is a generator itself.
        empty = pb.TraceStreamResponse()
        responses = answer_stream("TraceStream", request, self._trace_stream, empty, context, *self._of_every_call)
        async with aclosing(responses):
            async for response in responses:
                yield response

    async def Count(self, request: pb.CountRequest, context: RpcContext) -> pb.CountResponse:
        """See protos/coordinator/v1."""
        empty = pb.CountResponse()
        return await answer("Count", request, self._count, empty, context, *self._of_every_call)

    async def GetDocument(self, request: pb.GetDocumentRequest, context: RpcContext) -> pb.GetDocumentResponse:
        """See protos/coordinator/v1."""
        empty = pb.GetDocumentResponse()
        return await answer("GetDocument", request, self._get_document, empty, context, *self._of_every_call)

    async def Describe(self, request: pb.DescribeRequest, context: RpcContext) -> pb.DescribeResponse:
        """See protos/coordinator/v1."""
        empty = pb.DescribeResponse()
        return await answer("Describe", request, self._describe, empty, context, *self._of_every_call)

    async def _trace(self, request: pb.TraceRequest) -> pb.TraceResponse:
        return await self._coordinator.trace_response(decode_trace_request(request), request.timeout_ms)

    async def _trace_stream(self, request: pb.TraceStreamRequest) -> AsyncGenerator[pb.TraceStreamResponse, None]:
        wanted = decode_trace_request(request)
        async with aclosing(self._coordinator.trace_stream(wanted, request.timeout_ms)) as events:
            async for event in events:
                for part in in_parts(event):
                    yield encode_event(part)

    async def _count(self, request: pb.CountRequest) -> pb.CountResponse:
        return codec.encode_count(await self._coordinator.count(decode_count_request(request), request.timeout_ms))

    async def _get_document(self, request: pb.GetDocumentRequest) -> pb.GetDocumentResponse:
        document = await self._coordinator.get_document(
            parse_document_id(request.id), request.start, request.max_tokens, request.timeout_ms, request.index_id
        )
        return codec.encode_document_text(document)

    async def _describe(self, request: pb.DescribeRequest) -> pb.DescribeResponse:
        description = await self._coordinator.describe(request.timeout_ms)
        return pb.DescribeResponse(description=encode_description(description))
