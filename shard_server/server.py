"""The process: opens its shards, listens, and stops gently on SIGTERM, SIGINT or a closed standard input."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import start_http_server

from shard_server.config import ShardServerConfig
from shard_server.errors import AddressInUseError
from shard_server.metrics import Metrics
from shard_server.service import SERVICE, ShardService
from shard_server.shards import OpenShards, open_shards

# For calls that are refused, and for health and reflection.
_SPARE_THREADS = 8
# Calls that may wait for a thread to tell them that the queue is full; gRPC itself refuses more.
_MOST_REFUSALS = 256

_log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def serving(config: ShardServerConfig, shards: OpenShards) -> AsyncIterator[str]:
    """Serves while the block runs; gives it the address, with the port that was chosen.

    On leaving, health turns NOT_SERVING, no call is taken any more, and those that run get ``drain_s``.

    Raises:
        AddressInUseError: an address cannot be bound.
    """
    metrics = Metrics()
    for number, shard in shards.by_number.items():
        metrics.serve_shard(number, shard.num_tokens)
    service = ShardService(shards, config, metrics)
    most_calls = config.max_running_calls + config.max_queued_calls
    # A thread is started when a call finds none idle.
    threads = ThreadPoolExecutor(most_calls + _SPARE_THREADS, thread_name_prefix="shard-call")
    server = grpc.server(threads, options=_server_options(config), maximum_concurrent_rpcs=most_calls + _MOST_REFUSALS)
    server.add_generic_rpc_handlers((service.handler(),))
    health_servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    address = _bind(server, config.listen)
    with _metrics_server(config, metrics):
        server.start()
        for name in ("", SERVICE):
            health_servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
        try:
            yield address
        finally:
            health_servicer.enter_graceful_shutdown()
            await asyncio.to_thread(server.stop(config.drain_s).wait)
            threads.shutdown()


async def run(config: ShardServerConfig) -> None:
    """Opens the shards, serves them and returns when the process was told to stop.

    Writes one line ``listening on host:port`` to standard output once calls are answered.

    Raises:
        ShardServerError, IndexFormatError, EngineError: the server cannot start.
    """
    shards = open_shards(config)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if config.stop_with_stdin:
        _set_when_stdin_closes(stop, loop)
    async with serving(config, shards) as address:
        sys.stdout.write(f"listening on {address}\n")
        sys.stdout.flush()
        _log.info("serving", extra={"address": address, "shards": list(shards.by_number)})
        await stop.wait()
        _log.info("stopping", extra={"drain_s": config.drain_s})


def _server_options(config: ShardServerConfig) -> list[tuple[str, int]]:
    return [
        # Without this, a second server on the port would silently take half of the calls.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", config.max_message_bytes),
        ("grpc.max_send_message_length", config.max_message_bytes),
        # The coordinator pings every 10 s to notice a frozen server; the default of 300 s would drop it.
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
        ("grpc.keepalive_permit_without_calls", 1),
    ]


def _bind(server: grpc.Server, listen: str) -> str:
    host, _, _ = listen.rpartition(":")
    try:
        port = server.add_insecure_port(listen)
    except RuntimeError as error:
        raise AddressInUseError(
            f"{listen}: cannot listen there, the port is in use or the address is not of this machine; "
            "choose another with --listen"
        ) from error
    return f"{host}:{port}"


@contextlib.contextmanager
def _metrics_server(config: ShardServerConfig, metrics: Metrics) -> Iterator[None]:
    if config.metrics_listen is None:
        yield
        return
    host, _, port = config.metrics_listen.rpartition(":")
    try:
        server, thread = start_http_server(int(port), host.strip("[]"), registry=metrics.registry)
    except OSError as error:
        raise AddressInUseError(
            f"{config.metrics_listen}: cannot serve metrics there ({error.strerror}); "
            "choose another address with --metrics-listen"
        ) from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _set_when_stdin_closes(stop: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
    def wait() -> None:
        # Not through sys.stdin: a thread that waits in it holds a lock that the interpreter wants when it exits.
        while os.read(0, 4096):
            pass
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process stops already
            loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=wait, name="stdin", daemon=True).start()
