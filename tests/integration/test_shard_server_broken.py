"""What is inside a shard server breaks: the engine in the middle of a call, or the gRPC server under all of them."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from prometheus_client import generate_latest

from index_format.manifest import IndexManifest
from protos.shard.v1 import shard_pb2 as pb
from shard_server import process, server
from shard_server.config import ShardServerConfig
from shard_server.errors import AddressInUseError, ServerLostError
from shard_server.metrics import Metrics
from shard_server.server import ShardServer, new_health, serving
from shard_server.shards import OpenShards, open_shards
from tests.integration.shard_calls import slow_document, status_of, write_two_shards
from tests.running_servers import stub_of


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return write_two_shards(tmp_path / "index")


class Panic(BaseException):
    """As the engine raises it: not an Exception."""


class BrokenShard:
    """A shard in which the engine panics."""

    num_tokens = 10
    num_documents = 1
    token_width = 2

    def document(self, number: int, start: int, max_tokens: int) -> Any:
        raise Panic("index out of range")


@pytest.mark.usefixtures("leaves_nothing_behind")
def test_a_call_in_which_the_engine_breaks_off_is_answered_and_counted_as_an_error(index: Path) -> None:
    metrics = Metrics()
    config = ShardServerConfig(index=index, listen="127.0.0.1:0", max_running_calls=1)
    opened = OpenShards(IndexManifest.load(index), {0: BrokenShard()})  # type: ignore[dict-item]

    async def run() -> list[tuple[grpc.StatusCode, str]]:
        async with serving(config, opened, metrics) as address, stub_of(address) as stub:
            return [await status_of(stub.GetDocument(slow_document(index), timeout=10)) for _ in range(3)]

    assert asyncio.run(run()) == [(grpc.StatusCode.INTERNAL, "the engine broke off; the server's log says why")] * 3
    page = generate_latest(metrics.registry).decode()
    assert 'headwater_shard_rpc_seconds_count{rpc="GetDocument",shard="0",status="INTERNAL"} 3.0' in page
    assert 'status="OK"' not in page


def test_a_process_whose_grpc_server_cannot_be_started_again_ends(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> str:
        raise AddressInUseError("somebody else listens there")

    async def run() -> None:
        config = ShardServerConfig(index=index, listen="127.0.0.1:0", drain_s=1)
        shard_server = ShardServer(config, open_shards(config), Metrics(), new_health(config))
        running = asyncio.create_task(process._serve(shard_server, config))
        async with stub_of(shard_server.address) as stub:
            await stub.Describe(pb.DescribeRequest(), wait_for_ready=True, timeout=60)
        monkeypatch.setattr(server, "_bind", refuse)
        monkeypatch.setattr(server, "_REBIND_S", 0.0)
        await shard_server._server.stop(None)
        async with asyncio.timeout(60):
            with pytest.raises(ServerLostError, match=r"cannot be started again \(somebody else listens there\)"):
                await running

    asyncio.run(run())
