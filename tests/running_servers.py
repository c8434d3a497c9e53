"""Shard servers in this process, and coordinators over them, for tests of what goes over the network."""

import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import grpc.aio
import yaml

from coordinator.config import CoordinatorConfig
from coordinator.service import Coordinator
from protos.shard.v1 import shard_pb2_grpc
from shard_server.config import ShardServerConfig
from shard_server.server import serving
from shard_server.shards import OpenShards, open_shards


@contextlib.asynccontextmanager
async def shard_server(
    index: Path, shards: Sequence[int] = (), opened: OpenShards | None = None, **settings: Any
) -> AsyncIterator[str]:
    """Serves shards of an index and gives the address."""
    settings = {"listen": "127.0.0.1:0", "drain_s": 5.0, **settings}
    config = ShardServerConfig(index=index, shards=tuple(shards), **settings)
    async with serving(config, opened or open_shards(config)) as address:
        yield address


@contextlib.asynccontextmanager
async def stub_of(address: str) -> AsyncIterator[Any]:
    """Gives a stub of the shard server at an address."""
    async with grpc.aio.insecure_channel(address) as channel:
        yield shard_pb2_grpc.ShardServiceStub(channel)


def write_placement(path: Path, index: Path, addresses: Sequence[str]) -> Path:
    """Writes a placement with shard i at the i-th address."""
    places = [{"shard": shard, "address": address} for shard, address in enumerate(addresses)]
    path.write_text(yaml.safe_dump({"index": str(index), "shards": places}))
    return path


@contextlib.asynccontextmanager
async def coordinator(
    directory: Path, index: Path, addresses: Sequence[str], **settings: Any
) -> AsyncIterator[Coordinator]:
    """Gives a coordinator over the shards at ``addresses``; its placement file goes into ``directory``."""
    placement = write_placement(directory / "placement.yaml", index, addresses)
    opened = await Coordinator.open(CoordinatorConfig(placement=placement, connect_timeout_ms=1_000, **settings))
    try:
        yield opened
    finally:
        await opened.close()


def unused_address() -> str:
    """Returns an address of this machine at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"127.0.0.1:{probe.getsockname()[1]}"
