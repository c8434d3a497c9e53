"""The life of a shard server's process: probes, opening, serving, draining, the end."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator

from prometheus_client import ProcessCollector

from runtime import telemetry
from runtime.listener import Listener
from shard_server.config import ShardServerConfig
from shard_server.health import Health
from shard_server.metrics import Metrics
from shard_server.server import ShardServer, new_health
from shard_server.shards import open_shards

_log = logging.getLogger(__name__)


async def run(config: ShardServerConfig) -> None:
    """Opens the shards, serves them and returns when the process was told to stop.

    Writes one line ``listening on host:port`` to standard output once calls are answered. SIGTERM and SIGINT drain; a
    closed standard input, if that counts, stops without notice: whoever would hear it is gone.

    Raises:
        RuntimeSetupError, ShardServerError, IndexFormatError, EngineError: the server cannot start.
    """
    metrics, health = Metrics(), new_health(config)
    ProcessCollector(registry=metrics.registry)
    metrics.watch_ready(lambda: health.readiness.is_ready)
    with _listening(config, metrics, health):
        shards = open_shards(config)
        metrics.serve_index(shards.index)
        for number, shard in shards.by_number.items():
            metrics.serve_shard(number, shard.num_tokens)
        end_telemetry = telemetry.set_up("headwater-shard-server", config.otel_endpoint)
        try:
            await _serve(ShardServer(config, shards, metrics, health), config)
        finally:
            await asyncio.to_thread(end_telemetry)


async def _serve(server: ShardServer, config: ShardServerConfig) -> None:
    await server.start()
    try:
        stop = _Stop(config.stop_with_stdin)
        sys.stdout.write(f"listening on {server.address}\n")
        sys.stdout.flush()
        _log.info("serving", extra={"address": server.address})
        await stop.wait()
        _log.info("stopping", extra={"notice_s": config.drain_notice_s, "drain_s": config.drain_s})
        if stop.is_by_signal:
            await server.drain()
    finally:
        await server.stop()


class _Stop:
    """What tells the process to stop."""

    def __init__(self, with_stdin: bool):
        self.is_by_signal = False
        self._told = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._signalled)
        if with_stdin:
            threading.Thread(target=self._read_stdin, name="stdin", daemon=True).start()

    async def wait(self) -> None:
        """Returns when it is told."""
        await self._told.wait()

    def _signalled(self) -> None:
        self.is_by_signal = True
        self._told.set()

    def _read_stdin(self) -> None:
        # Not through sys.stdin: a thread that waits in it holds a lock that the interpreter wants when it exits.
        while os.read(0, 4096):
            pass
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process stops already
            self._loop.call_soon_threadsafe(self._told.set)


@contextlib.contextmanager
def _listening(config: ShardServerConfig, metrics: Metrics, health: Health) -> Iterator[None]:
    """Answers probes and scrapes while the block runs, from before the shards are open."""
    if config.metrics_listen is None:
        yield
        return
    with Listener(config.metrics_listen, registry=metrics.registry, readiness=lambda: health.readiness) as listener:
        _log.info("answering probes", extra={"address": listener.address})
        yield
