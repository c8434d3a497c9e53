"""Health of a shard server over real gRPC: Check and Watch, for the process and for its service."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.integration.shard_calls import SlowShard, slow_document, status_of, write_two_shards
from tests.running_servers import shard_server, stub_of

SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3
NAMES = ("", "protos.shard.v1.ShardService")


pytestmark = pytest.mark.usefixtures("leaves_nothing_behind")


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return write_two_shards(tmp_path / "index")


def asking_for(name: str) -> health_pb2.HealthCheckRequest:
    return health_pb2.HealthCheckRequest(service=name)


def test_process_and_service_are_healthy_and_no_other_name_is_known(index: Path) -> None:
    async def run() -> None:
        async with shard_server(index) as address, grpc.aio.insecure_channel(address) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            assert [(await health.Check(asking_for(name))).status for name in NAMES] == [SERVING, SERVING]
            assert (await status_of(health.Check(asking_for("other"))))[0] is grpc.StatusCode.NOT_FOUND
            watched = health.Watch(asking_for("other"))
            assert (await watched.read()).status == SERVICE_UNKNOWN
            watched.cancel()

    asyncio.run(run())


def test_stopping_turns_health_off_and_lets_running_calls_finish(index: Path) -> None:
    slow = SlowShard()

    async def run() -> tuple[list[int], str]:
        server = shard_server(index, opened=slow.opened(index))
        address = await server.__aenter__()
        async with grpc.aio.insecure_channel(address) as channel, stub_of(address) as stub:
            watched = health_pb2_grpc.HealthStub(channel).Watch(asking_for(NAMES[1]))
            states = [(await watched.read()).status]
            running = stub.GetDocument(slow_document(index))
            await slow.wait_until_started()
            stopping = asyncio.ensure_future(server.__aexit__(None, None, None))
            states.append((await watched.read()).status)
            assert await watched.read() is grpc.aio.EOF  # type: ignore[attr-defined]
            slow.go_on.set()
            text = (await running).text
            await stopping
            return states, text

    assert asyncio.run(run()) == ([SERVING, NOT_SERVING], "slow")


def test_watchers_that_stay_and_do_not_read_do_not_hold_up_the_stop(index: Path) -> None:
    async def run() -> float:
        loop = asyncio.get_running_loop()
        async with shard_server(index, drain_s=100) as address, grpc.aio.insecure_channel(address) as channel:
            calls: list[Any] = [health_pb2_grpc.HealthStub(channel).Watch(asking_for("")) for _ in range(5)]
            for call in calls:
                assert (await call.read()).status == SERVING
            began = loop.time()
        return loop.time() - began

    assert asyncio.run(run()) < 30


def test_bytes_that_are_no_question_are_an_invalid_argument(index: Path) -> None:
    async def run() -> list[grpc.StatusCode]:
        async with shard_server(index) as address, grpc.aio.insecure_channel(address) as channel:
            check = channel.unary_unary("/grpc.health.v1.Health/Check")
            watch = channel.unary_stream("/grpc.health.v1.Health/Watch")
            return [(await status_of(check(b"\xff")))[0], (await status_of(watch(b"\xff").read()))[0]]

    assert asyncio.run(run()) == [grpc.StatusCode.INVALID_ARGUMENT] * 2


def test_a_client_that_pings_all_the_time_without_a_call_keeps_its_connection(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shard_server.server._PING_STRIKES", 1)  # one ping too many is enough
    options = [
        ("grpc.keepalive_time_ms", 100),
        ("grpc.http2.ping_timeout_ms", 500),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    ]

    async def run() -> None:
        async with shard_server(index) as address, grpc.aio.insecure_channel(address, options=options) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            assert (await health.Check(asking_for(""))).status == SERVING
            # gRPC sends no more than one ping a second. A server that takes one in five minutes hangs up at the third.
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(4.5):
                    await channel.wait_for_state_change(grpc.ChannelConnectivity.READY)

    asyncio.run(run())
