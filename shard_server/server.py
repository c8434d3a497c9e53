"""The gRPC server of a process: what it takes from the network, how it starts, and how it stops and loses no call."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import grpc
from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection

from runtime.address import join_address, split_address
from runtime.tls_files import TlsFiles
from shard_server.checksums import published_files
from shard_server.config import ShardServerConfig
from shard_server.errors import AddressInUseError, DamagedFileError, ServerLostError
from shard_server.health import Health
from shard_server.metrics import Metrics
from shard_server.scrub import Scrubber
from shard_server.service import SERVICE, ShardService
from shard_server.shards import OpenShards
from shard_server.tls import server_credentials, tls_files

# For a client to say that it speaks HTTP/2.
_HANDSHAKE_MS = 5_000
# Of one connection: more calls than ever wait here, and few enough that a caller who sends nothing costs little.
_MOST_STREAMS = 1_000
# Pings that may come too early one after the other.
_PING_STRIKES = 10
# How often the server is looked after, and tried to be bound again.
_LOOK_S = 0.05
_REBIND_S = 10.0

_log = logging.getLogger(__name__)


class ShardServer:
    """Serves open shards; made, started, drained and stopped in one event loop."""

    def __init__(self, config: ShardServerConfig, shards: OpenShards, metrics: Metrics, health_: Health):
        """Binds the address.

        Raises:
            AddressInUseError: it cannot be bound.
            TlsFileError: a file of TLS is missing or wrong.
        """
        self._tls = tls_files(config)
        self._config = config
        self._shards = shards
        self._health = health_
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._pool = ThreadPoolExecutor(config.max_running_calls, thread_name_prefix="shard-call")
        self._service = ShardService(shards, config, metrics, self._pool)
        self._server, self.address = self._bound(config.listen)
        self._retired: list[asyncio.Task[None]] = []
        self._watch: asyncio.Task[None] | None = None
        self._scrubber = Scrubber(
            lambda: published_files(config.index, shards.index, shards.by_number),
            interval_s=config.scrub_interval_s,
            mb_per_s=config.scrub_mb_per_s,
            metrics=metrics,
            on_damage=self._heard_of_damage,
        )

    async def start(self) -> None:
        """Takes calls; then health turns SERVING."""
        await self._server.start()
        self._watch = asyncio.create_task(self._watch_over())
        self._health.serve(index_id=self._shards.index.index_id, shards=list(self._shards.by_number))
        if self._config.scrub_interval_s:
            self._scrubber.start()

    async def wait_until_lost(self) -> None:
        """Waits for what `start` began to look after the gRPC server, which has no end but a bad one.

        Raises:
            ServerLostError: it ended, and no other could take its place: this process is of no use any more.
        """
        if self._watch is not None:
            await asyncio.shield(self._watch)

    async def drain(self) -> None:
        """Turns health NOT_SERVING and goes on answering for ``drain_notice_s``, so that watchers go elsewhere."""
        self._health.refuse("stopping")
        await asyncio.sleep(self._config.drain_notice_s)

    async def stop(self) -> None:
        """Takes no more calls and returns when those that run are done, or ``drain_s`` is over."""
        self._health.refuse("stopping")
        if self._config.scrub_interval_s:
            await asyncio.to_thread(self._scrubber.close)
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        # Or the streams of the watchers would use up the time.
        self._health.close()
        await asyncio.gather(self._server.stop(self._config.drain_s), *self._retired)
        await asyncio.to_thread(self._service.close)
        await asyncio.to_thread(self._pool.shutdown)

    def _bound(self, listen: str) -> tuple[grpc.aio.Server, str]:
        server = grpc.aio.server(options=_server_options(self._config))
        server.add_generic_rpc_handlers((self._service.handler(), self._health.handler()))
        if self._config.reflection:
            names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, server)
        return server, _bind(server, listen, self._tls)

    async def _watch_over(self) -> None:
        """Puts a new gRPC server in the place of one that gave up.

        That of grpcio 1.85.1 takes no more calls after the first one whose method is not UTF-8, and says so to nobody.
        Calls that run then are not lost.
        """
        while True:
            await asyncio.sleep(_LOOK_S)
            if _is_running(self._server):
                continue
            self._metrics.restarts.inc()
            self._retired = [task for task in self._retired if not task.done()]
            self._retired.append(asyncio.create_task(self._server.stop(self._config.drain_s)))
            try:
                self._server = await self._bound_again()
                await self._server.start()
            except Exception as error:  # the edge of this task: nobody else would ever know
                _log.critical("gRPC server is lost", extra={"address": self.address, "reason": str(error)})
                self._health.refuse("the gRPC server is lost")
                raise ServerLostError(f"the gRPC server ended and cannot be started again ({error})") from error
            _log.error("gRPC server gave up on a malformed call; started again", extra={"address": self.address})

    async def _bound_again(self) -> grpc.aio.Server:
        ends = self._loop.time() + _REBIND_S
        while True:
            try:
                return self._bound(self.address)[0]
            except AddressInUseError:  # the old one is just closing it
                if self._loop.time() > ends:
                    raise
                await asyncio.sleep(_LOOK_S / 10)

    def _heard_of_damage(self, damage: str) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process stops already
            self._loop.call_soon_threadsafe(self._quarantine, damage)

    def _quarantine(self, damage: str) -> None:
        """Answers nothing any more: an answer may be wrong. The process stays, for whoever looks at it."""
        self._service.refuse_all(DamagedFileError(damage))
        self._health.refuse(damage)


@contextlib.asynccontextmanager
async def serving(config: ShardServerConfig, shards: OpenShards, metrics: Metrics | None = None) -> AsyncIterator[str]:
    """Serves while the block runs, and gives the address, with the port that was chosen.

    On leaving, no call is taken any more, and those that run get ``drain_s``.

    Raises:
        AddressInUseError: the address cannot be bound.
    """
    server = ShardServer(config, shards, metrics or Metrics(), new_health(config))
    await server.start()
    try:
        yield server.address
    finally:
        await server.stop()


def new_health(config: ShardServerConfig) -> Health:
    """Returns the health of a process that does not serve yet."""
    return Health((SERVICE,), config.request_timeout_s)


def _server_options(config: ShardServerConfig) -> list[tuple[str, int]]:
    return [
        # Without this, a second server on the port would silently take half of the calls.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", max(config.max_request_bytes, config.max_takedown_bytes)),
        ("grpc.max_send_message_length", config.max_response_bytes),
        # Of the algorithms only identity: a small request cannot unpack to a large one.
        ("grpc.compression_enabled_algorithms_bitset", 1),
        ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MS),
        ("grpc.max_concurrent_streams", _MOST_STREAMS),
        ("grpc.max_connection_idle_ms", round(config.idle_connection_s * 1000)),
        # A coordinator pings every second, also without a call, to notice a frozen server; the default of one ping in
        # 300 s would drop it. Some pings come in a bunch when the network, or this process, stood still.
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 50),
        ("grpc.http2.max_ping_strikes", _PING_STRIKES),
        # The other way round: watchers whose machine is gone are not kept.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.ping_timeout_ms", 10_000),
    ]


def _is_running(server: grpc.aio.Server) -> bool:
    # There is no public way to ask: `wait_for_termination` waits for every open call first.
    return bool(server._server.is_running())  # type: ignore[attr-defined]


def _bind(server: grpc.aio.Server, listen: str, tls: TlsFiles | None) -> str:
    host, _ = split_address(listen)
    try:
        port = server.add_secure_port(listen, server_credentials(tls)) if tls else server.add_insecure_port(listen)
    except RuntimeError as error:
        raise AddressInUseError(
            f"{listen}: cannot listen there, the port is in use or the address is not of this machine; "
            "choose another with --listen"
        ) from error
    return join_address(host, port)
