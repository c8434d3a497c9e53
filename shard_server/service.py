"""The gRPC service of a shard server: admits a call, runs it in the engine pool, answers it.

Messages are parsed and serialized in the pool too, so that nothing holds up the event loop.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import grpc.aio
from google.protobuf.message import DecodeError, Message

from protos.shard.v1 import shard_pb2
from shard_server import codec
from shard_server.config import ShardServerConfig
from shard_server.errors import DeadlineError, OverloadedError, RequestLimitError, ShardServerError, status_of
from shard_server.metrics import Metrics
from shard_server.shards import OpenShards
from suffix_engine import EngineError

SERVICE = shard_pb2.DESCRIPTOR.services_by_name["ShardService"].full_name

_log = logging.getLogger(__name__)


class _Rpc(NamedTuple):
    request: type[Message]
    answer: Callable[[Any, OpenShards, ShardServerConfig], Any]
    counts_reads: bool = False


_RPCS = {
    "LongestMatches": _Rpc(shard_pb2.LongestMatchesRequest, codec.longest_matches, counts_reads=True),
    "GetWindows": _Rpc(shard_pb2.GetWindowsRequest, codec.get_windows, counts_reads=True),
    "GetDocument": _Rpc(shard_pb2.GetDocumentRequest, codec.get_document),
    "Describe": _Rpc(shard_pb2.DescribeRequest, codec.describe),
}


class ShardService:
    """Answers the calls of `ShardService` (protos/shard/v1) with some open shards."""

    def __init__(self, shards: OpenShards, config: ShardServerConfig, metrics: Metrics):
        self._shards = shards
        self._config = config
        self._metrics = metrics
        self._pool = ThreadPoolExecutor(config.max_running_calls, thread_name_prefix="shard-call")
        self._slots = threading.BoundedSemaphore(config.max_running_calls + config.max_queued_calls)

    def handler(self) -> "grpc.GenericRpcHandler[bytes, bytes]":
        """Returns what to add to a ``grpc.aio`` server."""
        methods = {name: grpc.unary_unary_rpc_method_handler(self._behaviour(name, rpc)) for name, rpc in _RPCS.items()}
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    def close(self) -> None:
        """Waits for the calls that run."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _behaviour(self, name: str, rpc: _Rpc) -> Callable[..., Any]:
        async def behave(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
            arrived = time.monotonic()
            status = grpc.StatusCode.CANCELLED
            try:
                answer = await self._run(rpc, request, _deadline(context, arrived))
                status = grpc.StatusCode.OK
                return answer
            except (EngineError, ShardServerError) as error:
                status = status_of(error)
                await context.abort(status, str(error))
            except asyncio.CancelledError:
                raise
            except Exception:  # the process edge: what is left is a bug of ours
                status = grpc.StatusCode.INTERNAL
                _log.exception("call failed", extra={"rpc": name})
                await context.abort(status, "the shard server failed; its log says why")
            finally:
                self._metrics.observe(name, status, time.monotonic() - arrived)

        return behave

    async def _run(self, rpc: _Rpc, request: bytes, deadline: float | None) -> bytes:
        """Returns the serialized answer. Work that still waits when its caller goes away is never started."""
        if not self._slots.acquire(blocking=False):
            raise OverloadedError(
                f"{self._config.max_running_calls} calls run and {self._config.max_queued_calls} wait"
            )
        self._metrics.unfinished.inc()
        try:
            work = self._pool.submit(self._work, rpc, request, deadline)
        except RuntimeError as error:  # the pool takes no more work once it is shut down
            self._release()
            raise OverloadedError("the server is stopping") from error
        work.add_done_callback(lambda _: self._release())
        return await asyncio.wrap_future(work)

    def _release(self) -> None:
        self._metrics.unfinished.dec()
        self._slots.release()

    def _work(self, rpc: _Rpc, content: bytes, deadline: float | None) -> bytes:
        if deadline is not None and time.monotonic() >= deadline:
            raise DeadlineError("the deadline passed while the call waited")
        try:
            request = rpc.request.FromString(content)
        except DecodeError as error:
            raise RequestLimitError(f"request is not a {rpc.request.DESCRIPTOR.full_name} ({error})") from error
        response = rpc.answer(request, self._shards, self._config)
        if rpc.counts_reads:
            self._metrics.add_reads(response.reads)
        answer: bytes = response.SerializeToString()
        return answer


def _deadline(context: "grpc.aio.ServicerContext[bytes, bytes]", now: float) -> float | None:
    remaining = context.time_remaining()
    return None if remaining is None else now + remaining
