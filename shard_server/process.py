"""The life of a shard server's process: probes, opening, serving, draining, the end."""

import asyncio
import contextlib
import logging
import os
import resource
import signal
import sys
import threading
from collections.abc import Coroutine, Iterator
from typing import Any

from prometheus_client import ProcessCollector

from runtime import telemetry
from runtime.core_dumps import forbid_core_dumps
from runtime.exposure import check_listening, check_metrics_listening
from runtime.listener import Listener
from shard_server.config import ShardServerConfig
from shard_server.health import Health
from shard_server.metrics import Metrics
from shard_server.server import ShardServer, new_health
from shard_server.shards import open_shards
from suffix_engine import exit_on_lost_page

_log = logging.getLogger(__name__)


async def run(config: ShardServerConfig) -> None:
    """Opens the shards, serves them and returns when the process was told to stop.

    Writes one line ``listening on host:port`` to standard output once calls are answered. SIGTERM and SIGINT drain; a
    closed standard input, if that counts, stops without notice: whoever would hear it is gone.

    Raises:
        ServerLostError: it cannot go on.
        RuntimeSetupError, ShardServerError, IndexFormatError, EngineError: the server cannot start.
    """
    _take_all_file_descriptors()
    forbid_core_dumps()
    exit_on_lost_page()
    check_listening(
        config.listen,
        is_encrypted=config.tls_cert is not None,
        knows_callers=config.tls_client_ca is not None,
        advice="tls_cert, tls_key and tls_client_ca",
        is_allowed=config.insecure_public,
    )
    if config.metrics_listen is not None:
        check_metrics_listening(config.metrics_listen, is_allowed=config.insecure_public_metrics)
    metrics, health = Metrics(), new_health(config)
    ProcessCollector(registry=metrics.registry)
    metrics.watch_ready(lambda: health.readiness.is_ready)
    with _listening(config, metrics, health):
        shards = open_shards(config)
        metrics.serve_index(shards.index)
        for number, shard in shards.by_number.items():
            metrics.serve_shard(number, shard.num_tokens)
        metrics.watch_views(shards.views)
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
        await _stopped_or_lost(stop, server)
        _log.info("stopping", extra={"notice_s": config.drain_notice_s, "drain_s": config.drain_s})
        if stop.is_by_signal:
            await _until_first(server.drain(), stop.wait_for_more())
    finally:
        await server.stop()


async def _stopped_or_lost(stop: "_Stop", server: ShardServer) -> None:
    """Returns when the process is told to stop; raises if the server is lost before: whoever runs it starts another."""
    told, lost = asyncio.ensure_future(stop.wait()), asyncio.ensure_future(server.wait_until_lost())
    try:
        await asyncio.wait((told, lost), return_when=asyncio.FIRST_COMPLETED)
        if lost.done():
            lost.result()
    finally:
        told.cancel()
        lost.cancel()
        await asyncio.gather(told, lost, return_exceptions=True)


async def _until_first(*waits: Coroutine[Any, Any, None]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class _Stop:
    """What tells the process to stop, and then not to wait any longer: a second signal, or the end of its parent."""

    def __init__(self, with_stdin: bool):
        self.is_by_signal = False
        self._told = asyncio.Event()
        self._told_more = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._tell, True)
        if with_stdin:
            threading.Thread(target=self._read_stdin, name="stdin", daemon=True).start()

    async def wait(self) -> None:
        """Returns when it is told."""
        await self._told.wait()

    async def wait_for_more(self) -> None:
        """Returns when it is told again."""
        await self._told_more.wait()

    def _tell(self, is_signal: bool) -> None:
        if self._told.is_set():
            self._told_more.set()
        else:
            self.is_by_signal = is_signal
            self._told.set()

    def _read_stdin(self) -> None:
        # Not through sys.stdin: a thread that waits in it holds a lock that the interpreter wants when it exits.
        while os.read(0, 4096):
            pass
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process stops already
            self._loop.call_soon_threadsafe(self._tell, False)


def _take_all_file_descriptors() -> None:
    """Raises the limit of open files, connections among them, to what this process is allowed; often 1,024 before."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # some systems take less than they say
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextlib.contextmanager
def _listening(config: ShardServerConfig, metrics: Metrics, health: Health) -> Iterator[None]:
    """Answers probes and scrapes while the block runs, from before the shards are open."""
    if config.metrics_listen is None:
        yield
        return
    with Listener(config.metrics_listen, registry=metrics.registry, readiness=lambda: health.readiness) as listener:
        _log.info("answering probes", extra={"address": listener.address})
        yield
