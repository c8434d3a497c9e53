"""Shard servers that answer the first round of a trace and never the second, for tests of who stops waiting."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from protos.shard.v1 import shard_pb2, shard_pb2_grpc
from tests.running_servers import shard_server, stub_of

# As a shard server does: coordinators ask all the time whether it is there.
_ALLOW_PINGS = (
    ("grpc.http2.min_ping_interval_without_data_ms", 50),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.keepalive_permit_without_calls", 1),
)


class StuckShards(shard_pb2_grpc.ShardServiceServicer):
    """Answers as the shard server behind it, but never gives windows, and tells whether anybody waits for them.

    ``asked`` is set while somebody waits, ``left`` once everybody has stopped.
    """

    def __init__(self, behind: Any):
        self._behind = behind
        self._num_waiting = 0
        self.asked = asyncio.Event()
        self.left = asyncio.Event()

    async def Describe(self, request: Any, _context: Any) -> Any:
        return await self._behind.Describe(request)

    async def LongestMatches(self, request: Any, _context: Any) -> Any:
        return await self._behind.LongestMatches(request)

    async def GetWindows(self, _request: Any, _context: Any) -> Any:
        self._num_waiting += 1
        self.asked.set()
        self.left.clear()
        try:
            await asyncio.Event().wait()
        finally:
            self._num_waiting -= 1
            if self._num_waiting == 0:
                self.asked.clear()
                self.left.set()


@contextlib.asynccontextmanager
async def stuck_shards(index: Path) -> AsyncIterator[tuple[StuckShards, str]]:
    """Serves the shards of an index, stuck, and gives them and their address."""
    async with shard_server(index) as behind, stub_of(behind) as stub:
        stuck = StuckShards(stub)
        server = grpc.aio.server(options=_ALLOW_PINGS)
        shard_pb2_grpc.add_ShardServiceServicer_to_server(stuck, server)
        statuses = health.aio.HealthServicer()
        for service in ("", shard_pb2.DESCRIPTOR.services_by_name["ShardService"].full_name):
            await statuses.set(service, health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(statuses, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            yield stuck, f"127.0.0.1:{port}"
        finally:
            await server.stop(0)
