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


Places = Sequence[str | Sequence[str]]
"""Where each shard is: one address, or several."""


def write_cluster_file(path: Path, index: Path, addresses: Places, name: str = "default") -> Path:
    """Writes a cluster file of one corpus, with shard i at the i-th of ``addresses``."""
    shards = [
        {"shard": shard, "replicas": [place] if isinstance(place, str) else list(place)}
        for shard, place in enumerate(addresses)
    ]
    content = yaml.safe_dump({"corpora": [{"name": name, "index": str(index), "shards": shards}]})
    beside = path.with_name(path.name + ".tmp")
    beside.write_text(content)
    beside.replace(path)  # whoever reads it at this moment sees the old one or the new one
    return path


@contextlib.asynccontextmanager
async def coordinator(directory: Path, index: Path, addresses: Places, **settings: Any) -> AsyncIterator[Coordinator]:
    """Gives a coordinator over the shards at ``addresses``; its cluster file goes into ``directory``."""
    cluster_file = write_cluster_file(directory / "cluster.yaml", index, addresses)
    settings = {"connect_timeout_ms": 1_000, "reload_interval_s": 0, "result_cache_bytes": 0, **settings}
    opened = await Coordinator.open(CoordinatorConfig(cluster_file=cluster_file, **settings))
    try:
        yield opened
    finally:
        await opened.close()


def unused_address() -> str:
    """Returns an address of this machine at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"127.0.0.1:{probe.getsockname()[1]}"
