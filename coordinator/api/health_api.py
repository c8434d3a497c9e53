"""The coordinator's health as gRPC tells it: ``grpc.health.v1``, for the whole process and for its service."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Protocol

import grpc
from grpc_health.v1 import health_pb2 as pb

from coordinator.api.grpc_call import SERVICE, RpcContext
from coordinator.readiness import Readiness

_SERVICES = ("", SERVICE)

# Readiness is looked up, not announced; a look costs microseconds.
_LOOK_EVERY_S = 0.25

# Each holds one of the requests that a replica may hold at once, for as long as its caller likes.
_MAX_WATCHES = 64


class HasReadiness(Protocol):
    """What is needed of a coordinator."""

    def readiness(self) -> Readiness:
        """Returns whether requests should be sent to it."""


class HealthApi:
    """Methods are named as those of the service ``grpc.health.v1.Health``."""

    def __init__(self, coordinator: HasReadiness, look_every_s: float = _LOOK_EVERY_S, max_watches: int = _MAX_WATCHES):
        self._coordinator = coordinator
        self._look_every_s = look_every_s
        self._max_watches = max_watches
        self._num_watches = 0

    async def Check(self, request: pb.HealthCheckRequest, context: RpcContext) -> pb.HealthCheckResponse:
        """Says whether the coordinator is ready now; NOT_FOUND for a service that it does not have."""
        if request.service not in _SERVICES:
            context.set_code(grpc.StatusCode.NOT_FOUND)
            context.set_details(f"there is no such service here, only {SERVICE}")
            return pb.HealthCheckResponse()
        return pb.HealthCheckResponse(status=self._status())

    async def List(self, _request: pb.HealthListRequest, _context: RpcContext) -> pb.HealthListResponse:
        """Says it of all services."""
        status = pb.HealthCheckResponse(status=self._status())
        return pb.HealthListResponse(statuses=dict.fromkeys(_SERVICES, status))

    async def Watch(
        self, request: pb.HealthCheckRequest, context: RpcContext
    ) -> AsyncGenerator[pb.HealthCheckResponse, None]:
        """Says it now and whenever it changes, until the caller leaves. Too many at once get RESOURCE_EXHAUSTED."""
        if self._num_watches >= self._max_watches:
            context.set_code(grpc.StatusCode.RESOURCE_EXHAUSTED)
            context.set_details(f"{self._num_watches} watch already, the limit is {self._max_watches}; ask with Check")
            return
        self._num_watches += 1
        try:
            told: int | None = None
            while True:
                status = self._status() if request.service in _SERVICES else pb.HealthCheckResponse.SERVICE_UNKNOWN
                if status != told:
                    told = status
                    yield pb.HealthCheckResponse(status=status)
                await asyncio.sleep(self._look_every_s)
        finally:
            self._num_watches -= 1

    def _status(self) -> pb.HealthCheckResponse.ServingStatus.ValueType:
        if self._coordinator.readiness().ready:
            return pb.HealthCheckResponse.SERVING
        return pb.HealthCheckResponse.NOT_SERVING
