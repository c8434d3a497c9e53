"""Health of the process: what /readyz says, and grpc.health.v1 with a status for the process and for its service.

The servicer of grpcio sends to a watcher while it holds a lock: one that does not read would keep all others, and the
process's stop, waiting. Here nobody waits for a watcher.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health, health_pb2

from runtime.listener import Readiness
from shard_server.errors import RequestLimitError, ShardServerError, status_of
from shard_server.incoming import Context, receive_request

_Status = health_pb2.HealthCheckResponse


class Health:
    """Whether the process serves, and why not. Changed in the event loop; read anywhere.

    It goes one way: starting, serving, draining or damaged.
    """

    def __init__(self, services: Iterable[str], request_timeout_s: float):
        """Starts as not serving; ``services`` are the names to ask for, besides the empty one of the process."""
        self._names = frozenset(("", *services))
        self._request_timeout_s = request_timeout_s
        self._readiness = Readiness(False, {"reason": "opening the shards"})
        self._is_closed = False
        self._changed = asyncio.Event()

    @property
    def readiness(self) -> Readiness:
        """What /readyz says."""
        return self._readiness

    def serve(self, **details: object) -> None:
        """Turns health to SERVING."""
        self._turn(Readiness(True, details))

    def refuse(self, reason: str) -> None:
        """Turns health to NOT_SERVING, for good."""
        self._turn(Readiness(False, {"reason": reason}))

    def close(self) -> None:
        """Ends the streams of all watchers, who know by now."""
        self._is_closed = True
        self._wake()

    def handler(self) -> "grpc.GenericRpcHandler[bytes, bytes]":
        """Returns what to add to a ``grpc.aio.server``."""
        methods: Any = {
            "Check": grpc.stream_unary_rpc_method_handler(self._check),
            "Watch": grpc.stream_stream_rpc_method_handler(self._watch),
        }
        return grpc.method_handlers_generic_handler(health.SERVICE_NAME, methods)

    def _turn(self, readiness: Readiness) -> None:
        self._readiness = readiness
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _status(self) -> Any:
        return _Status.SERVING if self._readiness.is_ready else _Status.NOT_SERVING

    async def _check(self, _messages: object, context: Context) -> bytes:
        name = await self._asked_for(context)
        if name not in self._names:
            await context.abort(grpc.StatusCode.NOT_FOUND, "there is no service of that name here")
        return _encoded(self._status())

    async def _watch(self, _messages: object, context: Context) -> None:
        name = await self._asked_for(context)
        sent = None
        while True:
            changed, is_last = self._changed, self._is_closed
            status = self._status() if name in self._names else _Status.SERVICE_UNKNOWN
            if status != sent:
                await context.write(_encoded(status))
                sent = status
            if is_last:
                return
            await changed.wait()

    async def _asked_for(self, context: Context) -> str:
        try:
            content = await receive_request(context, self._request_timeout_s)
            return health_pb2.HealthCheckRequest.FromString(content).service  # type: ignore[no-any-return]
        except DecodeError:
            error: ShardServerError = RequestLimitError("request is not a grpc.health.v1.HealthCheckRequest")
        except ShardServerError as refused:
            error = refused
        await context.abort(status_of(error), str(error))


def _encoded(status: Any) -> bytes:
    content: bytes = _Status(status=status).SerializeToString()
    return content
