"""A shard server among clients that are slow, wrong or mad: the good ones notice nothing."""

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import generate_latest

from protos.shard.v1 import shard_pb2 as pb
from shard_server.config import ShardServerConfig
from shard_server.metrics import Metrics
from shard_server.server import serving
from shard_server.shards import open_shards
from tests.integration import hostile_clients as hostile
from tests.integration.shard_calls import id_of, search, status_of, write_two_shards
from tests.running_servers import shard_server, stub_of

METHODS = (
    b"/protos.shard.v1.ShardService/LongestMatches",
    b"/grpc.health.v1.Health/Check",
    b"/grpc.health.v1.Health/Watch",
)


pytestmark = pytest.mark.usefixtures("leaves_nothing_behind")


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return write_two_shards(tmp_path / "index")


def counted(metrics: Metrics, name: str) -> float:
    """Returns one line of the metrics, or 0 before it is there."""
    lines = generate_latest(metrics.registry).decode().splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)), 0.0)


async def until_counted(metrics: Metrics, name: str, least: float) -> None:
    async with asyncio.timeout(60):
        while counted(metrics, name) < least:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@contextlib.contextmanager
def slow_clients(address: str) -> Iterator[None]:
    """100 connections: 25 silent, 25 only greeted, 25 with open calls, 25 that trickle a request a byte at a time."""
    stop = threading.Event()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(hostile.connect(address)) for _ in range(100)]
        for client in clients[25:]:
            hostile.say_hello(client)
        for number, client in enumerate(clients[50:75]):
            for call in range(4):
                hostile.open_call(client, METHODS[number % len(METHODS)], stream=2 * call + 1)
        for client in clients[75:]:
            hostile.open_call(client, METHODS[0])

        def trickle() -> None:
            while not stop.wait(0.1):
                for client in clients[75:]:
                    with contextlib.suppress(OSError):  # the server has had enough of it
                        hostile.send_part(client, b"\x00")

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


@pytest.mark.parametrize("patience_s", [1, 60], ids=["refused", "waited for"])
def test_a_hundred_slow_connections_keep_no_good_call_waiting(index: Path, patience_s: int) -> None:
    metrics = Metrics()
    config = ShardServerConfig(
        index=index, listen="127.0.0.1:0", max_running_calls=2, request_timeout_s=patience_s, drain_s=1
    )

    async def scene() -> tuple[float, int]:
        async with (
            serving(config, open_shards(config), metrics) as address,
            stub_of(address) as stub,
            grpc.aio.insecure_channel(address) as channel,
        ):
            health = health_pb2_grpc.HealthStub(channel)
            await stub.LongestMatches(search(index))
            before, worst = psutil.Process().num_threads(), 0.0
            with slow_clients(address):
                for _ in range(50):
                    began = time.monotonic()
                    assert (await stub.LongestMatches(search(index), timeout=60)).starts
                    assert (await health.Check(health_pb2.HealthCheckRequest(), timeout=60)).status == 1
                    worst = max(worst, time.monotonic() - began)
                    await asyncio.sleep(0.01)
                if patience_s == 1:
                    # 34 headers-only connections of 4 calls go to the service or to its health, 25 trickle.
                    await until_counted(metrics, 'headwater_shard_refused_total{reason="slow_request"}', 25)
                return worst, psutil.Process().num_threads() - before

    worst, more_threads = asyncio.run(scene())
    assert worst < 30  # a slow one that is waited for would keep its place for a minute
    assert more_threads < 10


def test_a_method_that_is_not_text_takes_no_call_with_it(index: Path) -> None:
    metrics = Metrics()
    config = ShardServerConfig(index=index, listen="127.0.0.1:0", drain_s=1)

    async def scene() -> None:
        async with serving(config, open_shards(config), metrics) as address, stub_of(address) as stub:
            for times in (1, 2):
                with hostile.connect(address) as client:
                    hostile.say_hello(client)
                    hostile.open_call(client, b"/\xff\xfe/x")
                    await until_counted(metrics, "headwater_shard_grpc_restarts_total", times)
                answer = await stub.LongestMatches(search(index), timeout=60, wait_for_ready=True)
                assert answer.starts

    asyncio.run(scene())


@pytest.mark.parametrize(
    "content", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", bytes(1000)]
)
def test_what_is_no_http_2_is_hung_up_on(index: Path, content: bytes) -> None:
    def speak(address: str) -> None:
        with hostile.connect(address) as client:
            client.sendall(content)
            with contextlib.suppress(ConnectionResetError):
                while client.recv(4096):
                    pass

    async def scene() -> None:
        async with shard_server(index) as address, stub_of(address) as stub:
            await asyncio.to_thread(speak, address)
            assert (await stub.LongestMatches(search(index))).starts

    asyncio.run(scene())


def test_a_request_that_claims_to_be_endless_is_refused(index: Path) -> None:
    def speak(address: str) -> bytes:
        with hostile.connect(address) as client:
            hostile.say_hello(client)
            hostile.open_call(client, METHODS[0])
            hostile.send_part(client, b"\x00\xff\xff\xff\xff" + bytes(100))
            received = b""
            while b"grpc-status" not in received:
                received += client.recv(4096)
            return received

    metrics = Metrics()
    config = ShardServerConfig(index=index, listen="127.0.0.1:0", drain_s=1)

    async def scene() -> bytes:
        async with serving(config, open_shards(config), metrics) as address, stub_of(address) as stub:
            received = await asyncio.to_thread(speak, address)
            assert (await stub.LongestMatches(search(index))).starts
            await until_counted(metrics, 'headwater_shard_refused_total{reason="no_request"}', 1)
            return received

    assert b"grpc-status\x018" in asyncio.run(scene()), "RESOURCE_EXHAUSTED"


def test_a_compressed_request_is_not_unpacked(index: Path) -> None:
    async def scene() -> grpc.StatusCode:
        async with shard_server(index) as address, stub_of(address) as stub:
            packed = stub.LongestMatches(search(index), compression=grpc.Compression.Gzip)
            code, _ = await status_of(packed)
            assert (await stub.LongestMatches(search(index))).starts
            return code

    assert asyncio.run(scene()) is grpc.StatusCode.UNIMPLEMENTED


def test_requests_with_any_bytes_changed_are_answered_or_refused_and_the_server_lives(index: Path) -> None:
    rng = random.Random(20)
    good = {
        "LongestMatches": search(index),
        "GetWindows": pb.GetWindowsRequest(
            index_id=id_of(index), ranks=bytes(8), lengths=b"\x01\0\0\0", context_tokens=5, snippet_tokens=2
        ),
        "GetDocument": pb.GetDocumentRequest(index_id=id_of(index), max_tokens=9),
    }
    allowed = {"OK", "INVALID_ARGUMENT", "FAILED_PRECONDITION", "NOT_FOUND"}

    def changed(content: bytes) -> bytes:
        mutable = bytearray(content)
        for _ in range(rng.randrange(1, 4)):
            mutable[rng.randrange(len(mutable))] = rng.randrange(256)
        return bytes(mutable[: rng.randrange(len(mutable) + 1)] if rng.random() < 0.2 else mutable)

    async def status(call: Any) -> str:
        try:
            await call
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return "OK"

    async def scene() -> set[str]:
        found = set()
        async with shard_server(index) as address, stub_of(address) as stub, grpc.aio.insecure_channel(address) as raw:
            expected = (await stub.LongestMatches(search(index))).SerializeToString()
            for rpc, request in good.items():
                call = raw.unary_unary(f"/protos.shard.v1.ShardService/{rpc}")
                contents = [changed(request.SerializeToString()) for _ in range(200)]
                found |= set(await asyncio.gather(*(status(call(content, timeout=60)) for content in contents[:60])))
                for content in contents[60:]:
                    found.add(await status(call(content, timeout=60)))
            assert (await stub.LongestMatches(search(index))).SerializeToString() == expected
        return found

    found = asyncio.run(scene())
    assert found <= allowed
    assert {"OK", "INVALID_ARGUMENT"} <= found
