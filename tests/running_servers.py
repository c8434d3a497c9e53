"""Shard servers in this process, and coordinators over them, for tests of what goes over the network."""

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio
import yaml

from coordinator.cluster.observer import ClusterObserver
from coordinator.cluster.serving import Serving
from coordinator.cluster.settings import ClusterSettings
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


@dataclass
class ShardProcess:
    """A shard server in a process of its own, which a test may kill or freeze."""

    process: subprocess.Popen[str]
    address: str

    def freeze(self) -> None:
        """Stops it where it is: it is there and says nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets it go on."""
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Ends it without notice."""
        self.process.kill()


@contextlib.contextmanager
def shard_process(index: Path, *shards: int, listen: str = "127.0.0.1:0", **settings: Any) -> Iterator[ShardProcess]:
    """Runs ``python -m shard_server`` and gives it once it listens."""
    command = [sys.executable, "-m", "shard_server", "--index", str(index), "--listen", listen, "--stop-with-stdin"]
    command += [part for shard in shards for part in ("--shard", str(shard))]
    settings = {"log_level": "error", "search_threads": 1, **settings}
    command += [part for name, value in settings.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("listening on "), line
        yield ShardProcess(process, line.split()[-1])
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


@contextlib.asynccontextmanager
async def stub_of(address: str) -> AsyncIterator[Any]:
    """Gives a stub of the shard server at an address."""
    async with grpc.aio.insecure_channel(address) as channel:
        yield shard_pb2_grpc.ShardServiceStub(channel)


NO_LONGER_MS = 2_000
"""``connect_timeout_ms`` where a server never comes, which is waited for; those that are there come much sooner."""

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
    settings = {"connect_timeout_ms": 20_000, "reload_interval_s": 0, "result_cache_bytes": 0, **settings}
    opened = await Coordinator.open(CoordinatorConfig(cluster_file=cluster_file, **settings))
    try:
        yield opened
    finally:
        await opened.close()


@contextlib.asynccontextmanager
async def generations(
    cluster_file: Path, observer: ClusterObserver | None = None, **settings: Any
) -> AsyncIterator[Serving]:
    """Gives the generations of a cluster file, without the service round them."""
    settings = {"connect_timeout_ms": 20_000, "reload_interval_s": 0, **settings}
    opened = await Serving.open(cluster_file, ClusterSettings(**settings), observer=observer)
    try:
        yield opened
    finally:
        await opened.close()


async def until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Returns once ``condition`` holds; for what another process does, of which no event tells."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - there is nothing to wait for
            await asyncio.sleep(0.01)


def unused_address() -> str:
    """Returns an address of this machine at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"127.0.0.1:{probe.getsockname()[1]}"
