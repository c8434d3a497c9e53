"""The gRPC service of a shard server: takes a request, waits for its turn, answers it.

The event loop only takes, queues and sends; what reads a request, searches and writes an answer runs in a bounded pool.
So a caller that sends slowly, or nothing at all, costs a task and never a thread. Calls about takedowns do not wait for
searches: they have queues and threads of their own.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import grpc
from google.protobuf.message import DecodeError, Message

from protos.shard.v1 import shard_pb2
from runtime import request_id, telemetry
from shard_server import codec, takedown_codec
from shard_server.config import ShardServerConfig
from shard_server.errors import (
    REFUSALS,
    DeadlineError,
    EngineBrokeOffError,
    RequestLimitError,
    RequestTooLargeError,
    ShardServerError,
    status_of,
)
from shard_server.incoming import Context, receive_request
from shard_server.metrics import Metrics
from shard_server.shards import OpenShards
from shard_server.turns import Turns
from suffix_engine import EngineError

SERVICE = shard_pb2.DESCRIPTOR.services_by_name["ShardService"].full_name

_log = logging.getLogger(__name__)


class _Rpc(NamedTuple):
    request: type[Message]
    answer: Callable[[Any, OpenShards, ShardServerConfig], Any]
    counts_reads: bool = False
    # Costs nothing, and must be answered also when searches wait: who connects asks it.
    is_immediate: bool = False
    # May take long, and one of its kind runs at a time.
    is_about_takedowns: bool = False


_RPCS = {
    "LongestMatches": _Rpc(shard_pb2.LongestMatchesRequest, codec.longest_matches, counts_reads=True),
    "GetWindows": _Rpc(shard_pb2.GetWindowsRequest, codec.get_windows, counts_reads=True),
    "GetDocument": _Rpc(shard_pb2.GetDocumentRequest, codec.get_document),
    "Describe": _Rpc(shard_pb2.DescribeRequest, codec.describe, is_immediate=True),
    "SetTakedowns": _Rpc(shard_pb2.SetTakedownsRequest, takedown_codec.set_takedowns, is_about_takedowns=True),
    "FindDocuments": _Rpc(shard_pb2.FindDocumentsRequest, takedown_codec.find_documents, is_about_takedowns=True),
}
# Calls about takedowns that wait, of each kind: as many coordinators may send the same list.
_MOST_WAITING = 16


class _Lane(NamedTuple):
    """Where calls of a kind wait, and where they run."""

    turns: Turns
    pool: Executor


@dataclass(slots=True)
class _Call:
    """What is known of one call by the time it ends."""

    rpc: str
    arrived: float
    shard: str = ""
    queue_s: float = 0.0
    status: grpc.StatusCode = grpc.StatusCode.UNKNOWN


class ShardService:
    """Answers the calls of `ShardService` (protos/shard/v1) with some open shards."""

    def __init__(self, shards: OpenShards, config: ShardServerConfig, metrics: Metrics, pool: Executor):
        """Makes the service; ``pool`` needs as many threads as calls run at once."""
        self._shards = shards
        self._config = config
        self._metrics = metrics
        searches = _Lane(Turns(config.max_running_calls, config.max_queued_calls), pool)
        about_takedowns = [name for name, rpc in _RPCS.items() if rpc.is_about_takedowns]
        self._takedown_pool = ThreadPoolExecutor(len(about_takedowns), thread_name_prefix="takedowns")
        self._lanes = {name: searches for name in _RPCS} | {
            name: _Lane(Turns(1, _MOST_WAITING), self._takedown_pool) for name in about_takedowns
        }
        self._refusal: ShardServerError | None = None
        metrics.watch(lambda: searches.turns.num_running, lambda: searches.turns.num_waiting)

    def handler(self) -> "grpc.GenericRpcHandler[bytes, bytes]":
        """Returns what to add to a ``grpc.aio.server``.

        To gRPC the requests are streams, which are the same bytes on the wire: so the time to send one is limited here.
        """
        methods = {
            name: grpc.stream_unary_rpc_method_handler(self._behaviour(name, rpc)) for name, rpc in _RPCS.items()
        }
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    def refuse_all(self, error: ShardServerError) -> None:
        """Answers every call from now on with ``error``."""
        self._refusal = error

    def close(self) -> None:
        """Breaks off the calls about takedowns and returns when they are over."""
        if self._shards.takedowns is not None:
            self._shards.takedowns.stop()
        self._takedown_pool.shutdown(cancel_futures=True)

    def _behaviour(self, name: str, rpc: _Rpc) -> Callable[[object, Context], Awaitable[bytes]]:
        otel_name = f"{SERVICE}/{name}"
        attributes = {"rpc.system": "grpc", "rpc.service": SERVICE, "rpc.method": name}

        async def behave(_messages: object, context: Context) -> bytes:
            call = _Call(name, time.perf_counter())
            metadata = context.invocation_metadata() or ()
            id_ = next((value for key, value in metadata if key == request_id.METADATA_KEY), None)
            with (
                request_id.serving_request(request_id.accepted_or_new(id_)),
                telemetry.otel_span(otel_name, kind="server", attributes=attributes, parent=metadata),
            ):
                try:
                    answer = await self._serve(call, rpc, context)
                    call.status = grpc.StatusCode.OK
                    return answer
                finally:
                    self._finish(call)

        return behave

    async def _serve(self, call: _Call, rpc: _Rpc, context: Context) -> bytes:
        """Returns the serialized answer, or ends the call with the status of what went wrong."""
        try:
            if self._refusal is not None:
                raise self._refusal
            if not rpc.is_immediate:
                self._lanes[call.rpc].turns.check_room()  # before the request is read: there may be much of it
            content = await receive_request(context, self._config.request_timeout_s)
            self._check_size(rpc, content)
            if rpc.is_immediate:
                return self._answer(call, rpc, content)
            await self._wait_for_turn(call, context)
            return await self._run(call, rpc, content)
        except (EngineError, ShardServerError) as error:
            call.status = status_of(error)
            if (reason := REFUSALS.get(type(error))) is not None:
                self._metrics.refuse(reason)
            details = str(error)
        except asyncio.CancelledError:
            is_late = context.time_remaining() == 0
            call.status = grpc.StatusCode.DEADLINE_EXCEEDED if is_late else grpc.StatusCode.CANCELLED
            raise
        except Exception:  # the process edge: what is left is a bug of ours
            call.status = grpc.StatusCode.INTERNAL
            _log.exception("call failed", extra={"rpc": call.rpc})
            details = "the shard server failed; its log says why"
        await context.abort(call.status, details)

    def _check_size(self, rpc: _Rpc, content: bytes) -> None:
        most = self._config.max_takedown_bytes if rpc.is_about_takedowns else self._config.max_request_bytes
        if len(content) > most:
            raise RequestTooLargeError(f"request has {len(content)} bytes, this server takes {most}")

    async def _wait_for_turn(self, call: _Call, context: Context) -> None:
        began = time.perf_counter()
        try:
            async with asyncio.timeout(context.time_remaining()):
                await self._lanes[call.rpc].turns.wait()
        except TimeoutError:
            raise DeadlineError("the deadline passed while the call waited") from None
        call.queue_s = time.perf_counter() - began
        self._metrics.waited(call.queue_s)

    async def _run(self, call: _Call, rpc: _Rpc, content: bytes) -> bytes:
        """Returns the answer from the pool; the turn ends with the work, also when the caller goes before."""
        turns, pool = self._lanes[call.rpc]
        work = asyncio.get_running_loop().run_in_executor(pool, self._answer, call, rpc, content)
        work.add_done_callback(lambda _: turns.end())
        return await asyncio.shield(work)

    def _answer(self, call: _Call, rpc: _Rpc, content: bytes) -> bytes:
        try:
            request: Any = rpc.request.FromString(content)
        except DecodeError as error:
            raise RequestLimitError(f"request is not a {rpc.request.DESCRIPTOR.full_name} ({error})") from error
        shard = getattr(request, "shard", None)
        call.shard = str(shard) if shard in self._shards.by_number else ""
        try:
            response = rpc.answer(request, self._shards, self._config)
        except (Exception, KeyboardInterrupt, SystemExit, asyncio.CancelledError):
            raise
        except BaseException as panic:  # of the engine: no Exception, and gRPC would answer nothing at all
            _log.exception("engine broke off", extra={"rpc": call.rpc, "shard": call.shard})
            raise EngineBrokeOffError("the engine broke off; the server's log says why") from panic
        if rpc.counts_reads:
            self._metrics.add_reads(response.reads)
        answer: bytes = response.SerializeToString()
        return answer

    def _finish(self, call: _Call) -> None:
        seconds = time.perf_counter() - call.arrived
        self._metrics.observe(call.rpc, call.status, call.shard, seconds)
        if telemetry.is_on():
            telemetry.set_attributes(
                {
                    "rpc.grpc.status_code": call.status.value[0],
                    "headwater.shard": call.shard,
                    "headwater.queue_ms": call.queue_s * 1000,
                }
            )
        level = logging.WARNING if seconds > self._config.slow_call_s else logging.DEBUG
        if _log.isEnabledFor(level):
            fields = {
                "rpc": call.rpc,
                "status": call.status.name,
                "shard": call.shard,
                "seconds": round(seconds, 6),
                "queue_s": round(call.queue_s, 6),
            }
            _log.log(level, "slow call" if level == logging.WARNING else "call", extra=fields)
