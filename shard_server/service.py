"""The gRPC service of a shard server: admits a call, waits for its turn, answers it.

Every call has a thread of the gRPC server from its arrival on: an event loop that hands each call to a pool takes half
as much time again.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import grpc
from google.protobuf.message import DecodeError, Message

from protos.shard.v1 import shard_pb2
from shard_server import codec
from shard_server.config import ShardServerConfig
from shard_server.errors import (
    CallerGoneError,
    DeadlineError,
    OverloadedError,
    RequestLimitError,
    ShardServerError,
    status_of,
)
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


class _Turns:
    """Lets a number of calls run at once, first come, first served."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    def wait(self, context: grpc.ServicerContext) -> None:
        """Waits until the call may run; `end` must follow.

        Raises:
            DeadlineError: its deadline passed meanwhile.
            CallerGoneError: its caller went away.
        """
        # Of a call without a deadline gRPC says that centuries remain, which no lock can wait.
        ends = time.monotonic() + min(context.time_remaining(), threading.TIMEOUT_MAX / 2)
        is_over = not context.add_callback(self._wake)
        call = object()
        with self._changed:
            self._waiting.append(call)
            try:
                while True:
                    if is_over or not context.is_active():
                        raise CallerGoneError("the caller went away while the call waited")
                    if self._free and self._waiting[0] is call:
                        break
                    if (left := ends - time.monotonic()) <= 0:
                        raise DeadlineError("the deadline passed while the call waited")
                    self._changed.wait(left)
                self._free -= 1
            finally:
                self._waiting.remove(call)
                self._changed.notify_all()

    def end(self) -> None:
        """Gives the turn to the next call."""
        with self._changed:
            self._free += 1
            self._changed.notify_all()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


class ShardService:
    """Answers the calls of `ShardService` (protos/shard/v1) with some open shards."""

    def __init__(self, shards: OpenShards, config: ShardServerConfig, metrics: Metrics):
        self._shards = shards
        self._config = config
        self._metrics = metrics
        self._admitted = threading.BoundedSemaphore(config.max_running_calls + config.max_queued_calls)
        self._turns = _Turns(config.max_running_calls)

    def handler(self) -> "grpc.GenericRpcHandler[bytes, bytes]":
        """Returns what to add to a ``grpc.server``, whose threads must be more than the calls that this admits."""
        methods = {name: grpc.unary_unary_rpc_method_handler(self._behaviour(name, rpc)) for name, rpc in _RPCS.items()}
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    def _behaviour(self, name: str, rpc: _Rpc) -> Callable[[bytes, "grpc.ServicerContext"], bytes]:
        def behave(request: bytes, context: grpc.ServicerContext) -> bytes:
            arrived = time.monotonic()
            status = grpc.StatusCode.OK
            try:
                return self._run(rpc, request, context)
            except (EngineError, ShardServerError) as error:
                status = status_of(error)
                context.abort(status, str(error))
            except Exception:  # the process edge: what is left is a bug of ours
                status = grpc.StatusCode.INTERNAL
                _log.exception("call failed", extra={"rpc": name})
                context.abort(status, "the shard server failed; its log says why")
            finally:
                self._metrics.observe(name, status, time.monotonic() - arrived)

        return behave

    def _run(self, rpc: _Rpc, request: bytes, context: grpc.ServicerContext) -> bytes:
        """Returns the serialized answer, once it is this call's turn."""
        if not self._admitted.acquire(blocking=False):
            raise OverloadedError(
                f"{self._config.max_running_calls} calls run and {self._config.max_queued_calls} wait"
            )
        try:
            with self._metrics.unfinished.track_inprogress():
                self._turns.wait(context)
                try:
                    return self._answer(rpc, request)
                finally:
                    self._turns.end()
        finally:
            self._admitted.release()

    def _answer(self, rpc: _Rpc, content: bytes) -> bytes:
        try:
            request = rpc.request.FromString(content)
        except DecodeError as error:
            raise RequestLimitError(f"request is not a {rpc.request.DESCRIPTOR.full_name} ({error})") from error
        response = rpc.answer(request, self._shards, self._config)
        if rpc.counts_reads:
            self._metrics.add_reads(response.reads)
        answer: bytes = response.SerializeToString()
        return answer
