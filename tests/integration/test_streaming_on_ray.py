"""Streams, errors, ids and health through Ray Serve and its proxy: nothing on the way keeps them back or drops them."""

import asyncio
import contextlib
import json
import re
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import headwater
from coordinator.api.rich_status import error_of
from coordinator.errors import InvalidRequestError, RequestTooLargeError
from coordinator.local.free_ports import free_ports
from coordinator.requests import TraceOptions
from headwater.server_process import ServerProcess, stop_gently
from protos.coordinator.v1 import coordinator_pb2 as pb
from protos.coordinator.v1 import coordinator_pb2_grpc
from tests.running_servers import write_cluster_file
from tests.stuck_shards import StuckShards, stuck_shards
from tests.tiny_index import byte_level_tokenizer, write_index

pytestmark = pytest.mark.timeout(300)

TEXTS = ("The quick brown fox jumps over the lazy dog.", "A quick brown fox walks under the bridge, naïvely.")
ANSWER = "They say the quick brown fox jumps over the lazy dog."
# More than a replica has places for requests by default, those in Serve's queue included.
NUM_SLOW_BODIES = 700
SERVICE = "protos.coordinator.v1.CoordinatorService"


@contextlib.asynccontextmanager
async def coordinator_on_ray(cluster_file: Path, directory: Path) -> AsyncIterator[tuple[str, str, int]]:
    """Starts ``python -m coordinator`` and gives the addresses of gRPC, with that of Serve's proxy, and HTTP's port."""
    grpc_port, http_port = free_ports(2)
    temp_dir = tempfile.mkdtemp(prefix="hw-", dir="/tmp")  # pytest's are too long for sockets
    ports = ["--grpc-port", str(grpc_port), "--http-port", str(http_port), "--metrics-listen", "127.0.0.1:0"]
    command = [sys.executable, "-m", "coordinator", "--cluster-file", str(cluster_file), *ports, "--stop-with-stdin"]
    command += ["--temp-dir", temp_dir]
    process = ServerProcess("coordinator", command, directory)
    try:
        await asyncio.to_thread(process.wait_until_ready, "serving on ", 250.0)
        yield f"127.0.0.1:{grpc_port}", proxy_behind(Path(temp_dir)), http_port
    finally:
        await asyncio.to_thread(stop_gently, [process], 60.0)
        process.reap()


def proxy_behind(temp_dir: Path) -> str:
    """Returns the address of the proxy to which HAProxy turns where no replica is up."""
    [configuration] = temp_dir.rglob("haproxy.cfg")
    backend = configuration.read_text().partition("backend grpc_fallback_backend")[2]
    found = re.search(r"server \S+ (127\.0\.0\.1:\d+) proto h2", backend)
    assert found is not None
    return found[1]


async def grpc_stream_is_told_at_once_and_stopped(stuck: StuckShards, target: str) -> None:
    async with grpc.aio.insecure_channel(target) as channel:
        stub: Any = coordinator_pb2_grpc.CoordinatorServiceStub(channel)
        call = stub.TraceStream(pb.TraceStreamRequest(answer=ANSWER, timeout_ms=60_000))
        assert (await asyncio.wait_for(call.read(), 60)).WhichOneof("event") == "spans"
        await asyncio.wait_for(stuck.asked.wait(), 60)
        assert not stuck.left.is_set()
        call.cancel()
        await asyncio.wait_for(stuck.left.wait(), 60)


async def http_head(reader: asyncio.StreamReader) -> tuple[int, list[tuple[str, str]]]:
    """Returns the status and the headers of an answer."""
    lines = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)).decode().split("\r\n")
    headers = [line.split(": ", 1) for line in lines[1:] if line]
    return int(lines[0].split()[1]), [(name.lower(), value) for name, value in headers]


async def post(port: int, path: str, body: Any, *headers: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    content = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", "Host: h", "Content-Type: application/json", f"Content-Length: {len(content)}"]
    writer.write("\r\n".join([*lines, *headers, "", ""]).encode() + content)
    await writer.drain()
    return reader, writer


async def http_stream_is_told_at_once_and_stopped(stuck: StuckShards, port: int) -> None:
    body = {"answer": ANSWER, "timeout_ms": 60_000}
    reader, writer = await post(port, "/v1/trace/stream", body, "X-Request-Id: stream-1")
    status, headers = await http_head(reader)
    assert (status, dict(headers)["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert [value for name, value in headers if name == "x-request-id"] == ["stream-1"]
    event = await asyncio.wait_for(reader.readuntil(b"\n\n"), 60)
    assert b"event: spans\ndata: {" in event
    await asyncio.wait_for(stuck.asked.wait(), 60)
    assert not stuck.left.is_set()
    writer.close()
    await asyncio.wait_for(stuck.left.wait(), 60)


async def a_plain_trace_over_http_is_stopped_too(stuck: StuckShards, port: int) -> None:
    to_stay = ("X-Request-Disconnect-Disabled: ?1", "X-Request-Timeout-Seconds: 0")
    _, writer = await post(port, "/v1/trace", {"answer": ANSWER, "timeout_ms": 60_000}, *to_stay)
    await asyncio.wait_for(stuck.asked.wait(), 60)
    writer.close()
    await asyncio.wait_for(stuck.left.wait(), 30)  # well before it times out


async def next_event(stream: Any) -> Any:
    """Returns what comes next of a stream, but for messages that only precede a status."""
    while (response := await stream.read()) == pb.TraceStreamResponse():
        pass
    return response


async def errors_keep_their_details(target: str, port: int) -> None:
    async with grpc.aio.insecure_channel(target) as channel:
        stub: Any = coordinator_pb2_grpc.CoordinatorServiceStub(channel)
        named = (("x-request-id", "r-1"),)
        wrong = {"answer": "a", "options": pb.TraceOptions(max_count=0)}
        unary = stub.Trace(pb.TraceRequest(**wrong), metadata=named)
        stream = stub.TraceStream(pb.TraceStreamRequest(**wrong), metadata=named)
        for ended in (unary, next_event(stream)):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await ended
            error = error_of(raised.value)  # type: ignore[arg-type]
            assert isinstance(error, InvalidRequestError)
            assert (error.field, error.request_id) == ("options.max_count", "r-1")
            assert dict(raised.value.trailing_metadata())["x-request-id"] == "r-1"  # type: ignore[arg-type]
        malformed = channel.unary_unary(f"/{SERVICE}/Trace", None, None)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await malformed(b"\x0a\xff\xff\xff\x7fno protobuf")
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        options = [("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(target, options=options) as channel:
        stub = coordinator_pb2_grpc.CoordinatorServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.Trace(pb.TraceRequest(answer="a", prompt="a" * 5_000_000))
        assert isinstance(error_of(raised.value), RequestTooLargeError)  # type: ignore[arg-type]
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.Trace(pb.TraceRequest(answer="a", prompt="a" * 7_000_000))
        assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED

    reader, writer = await post(port, "/v1/trace/stream", {"answer": " "}, "X-Request-Id: r-2")
    status, headers = await http_head(reader)
    problem = json.loads(await reader.readexactly(int(dict(headers)["content-length"])))
    writer.close()
    assert (status, problem["type"], problem["request_id"]) == (400, "invalid-request", "r-2")
    assert problem["errors"][0]["pointer"] == "#/answer"
    reader, writer = await post(port, "/v1/trace/stream", {"answer": " "}, "X-Request-Id: <b>r-3</b>")
    headers = (await http_head(reader))[1]
    problem = json.loads(await reader.readexactly(int(dict(headers)["content-length"])))
    writer.close()
    assert [value for name, value in headers if name == "x-request-id"] == [problem["request_id"]]
    assert "r-3" not in problem["request_id"]
    reader, writer = await post(port, "/v1/trace", {"answer": "a" * 5_000_000})
    assert (await http_head(reader))[0] == 413
    writer.close()


async def a_stream_through_the_proxy_behind_keeps_its_status(proxy: str) -> None:
    async with grpc.aio.insecure_channel(proxy) as channel:
        stub: Any = coordinator_pb2_grpc.CoordinatorServiceStub(channel)
        named = (("x-request-id", "r-4"),)
        wrong = pb.TraceStreamRequest(answer="a", options=pb.TraceOptions(max_count=0))
        stream = stub.TraceStream(wrong, metadata=named)
        assert await stream.read() == pb.TraceStreamResponse()
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stream.read()
        error = error_of(raised.value)  # type: ignore[arg-type]
        assert isinstance(error, InvalidRequestError)
        assert (error.field, error.request_id) == ("options.max_count", "r-4")
    with headwater.connect(proxy) as client, pytest.raises(InvalidRequestError, match="min_span_tokens"):
        await asyncio.to_thread(list, client.trace_stream("a", options=TraceOptions(min_span_tokens=0)))


async def slow_bodies_of_one_client_hold_up_no_other(port: int) -> None:
    async def begin() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        lines = ("POST /v1/trace HTTP/1.1", "Host: h", "X-Client-Id: slow", "Content-Length: 1000", "", '{"answer": ')
        writer.write("\r\n".join(lines).encode())
        await writer.drain()
        return reader, writer

    begun = [await begin() for _ in range(NUM_SLOW_BODIES)]
    reader, writer = await asyncio.wait_for(post(port, "/v1/trace", {"answer": " "}, "X-Client-Id: other"), 10)
    assert (await asyncio.wait_for(http_head(reader), 10))[0] == 400
    writer.close()
    answers = [asyncio.ensure_future(http_head(reader)) for reader, _ in begun]
    refused, waiting = await asyncio.wait(answers, timeout=5)
    assert {answer.result()[0] for answer in refused} == {429}
    assert 0 < len(waiting) < 100
    for answer, (_, writer) in zip(answers, begun, strict=True):
        answer.cancel()
        writer.close()


async def health_is_told(target: str) -> None:
    async with grpc.aio.insecure_channel(target) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        for service in ("", SERVICE):
            request = health_pb2.HealthCheckRequest(service=service)
            assert (await stub.Check(request)).status == health_pb2.HealthCheckResponse.SERVING
            watch = stub.Watch(request)
            assert (await asyncio.wait_for(watch.read(), 60)).status == health_pb2.HealthCheckResponse.SERVING
            watch.cancel()
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.Check(health_pb2.HealthCheckRequest(service="other"))
        assert raised.value.code() is grpc.StatusCode.NOT_FOUND


def test_streams_errors_and_health_through_ray(tmp_path: Path) -> None:
    index = write_index(tmp_path / "index", [TEXTS[:1], TEXTS[1:]], byte_level_tokenizer(TEXTS, 300))

    async def run() -> None:
        async with stuck_shards(index) as (stuck, address):
            cluster_file = write_cluster_file(tmp_path / "cluster.yaml", index, [address] * 2)
            async with coordinator_on_ray(cluster_file, tmp_path) as (target, proxy, http_port):
                await grpc_stream_is_told_at_once_and_stopped(stuck, target)
                await http_stream_is_told_at_once_and_stopped(stuck, http_port)
                await a_plain_trace_over_http_is_stopped_too(stuck, http_port)
                await errors_keep_their_details(target, http_port)
                await a_stream_through_the_proxy_behind_keeps_its_status(proxy)
                await health_is_told(target)
                await slow_bodies_of_one_client_hold_up_no_other(http_port)

    asyncio.run(run())
