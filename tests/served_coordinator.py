"""Coordinators behind a plain gRPC server of this process, for tests of the gRPC face without Ray."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
from grpc_health.v1 import health_pb2_grpc

from coordinator.access.gate import Gate
from coordinator.api.grpc_api import GrpcApi
from coordinator.api.grpc_service import add_coordinator_to_server
from coordinator.api.health_api import HealthApi
from coordinator.metrics import CoordinatorMetrics
from tests.running_servers import Places, coordinator


@contextlib.asynccontextmanager
async def serving(answers: Any, address: str = "127.0.0.1:0", **limits: Any) -> AsyncIterator[str]:
    """Serves what stands where a coordinator is, and gives the address. What has no metrics or gate is given some."""
    vars(answers).setdefault("metrics", CoordinatorMetrics())
    vars(answers).setdefault("gate", Gate())
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", 64 * 1024 * 1024)])
    add_coordinator_to_server(GrpcApi(answers, **limits), server)
    health_pb2_grpc.add_HealthServicer_to_server(HealthApi(answers, look_every_s=0.01), server)
    port = server.add_insecure_port(address)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(1)


@contextlib.asynccontextmanager
async def served(directory: Path, index: Path, addresses: Places, **settings: Any) -> AsyncIterator[str]:
    """Serves a coordinator over the shards at ``addresses``, and gives its address."""
    async with coordinator(directory, index, addresses, **settings) as opened, serving(opened) as address:
        yield address
