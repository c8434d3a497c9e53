"""What a call leaves in traces: one otel_span that continues the caller's trace and holds no content."""

import asyncio
from pathlib import Path

import grpc
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from protos.shard.v1 import shard_pb2 as pb
from runtime import telemetry
from tests.integration.shard_calls import id_of, search, status_of, write_two_shards
from tests.running_servers import shard_server, stub_of


def test_a_call_is_an_otel_span_of_its_callers_trace(tmp_path: Path) -> None:
    index = write_two_shards(tmp_path / "index")
    exporter = InMemorySpanExporter()
    shut_down = telemetry.set_up("test", None, exporter=exporter)

    async def scene() -> None:
        async with shard_server(index) as address, stub_of(address) as stub:
            with telemetry.otel_span("trace"):
                await stub.LongestMatches(search(index), metadata=telemetry.inject())
            refused = pb.GetDocumentRequest(index_id=id_of(index), shard=9, max_tokens=1)
            assert (await status_of(stub.GetDocument(refused)))[0] is grpc.StatusCode.FAILED_PRECONDITION

    try:
        asyncio.run(scene())
    finally:
        shut_down()
    found = {otel_span.name: otel_span for otel_span in exporter.get_finished_spans()}
    call = found["protos.shard.v1.ShardService/LongestMatches"]
    assert call.parent is not None
    assert call.parent.span_id == found["trace"].context.span_id
    attributes = dict(call.attributes or {})
    assert attributes.pop("headwater.queue_ms") >= 0  # type: ignore[operator]
    assert attributes == {
        "rpc.system": "grpc",
        "rpc.service": "protos.shard.v1.ShardService",
        "rpc.method": "LongestMatches",
        "rpc.grpc.status_code": 0,
        "headwater.shard": "0",
    }
    refused = found["protos.shard.v1.ShardService/GetDocument"]
    assert refused.status.status_code is StatusCode.ERROR
    assert (refused.attributes or {})["rpc.grpc.status_code"] == grpc.StatusCode.FAILED_PRECONDITION.value[0]
