"""The process round a `Coordinator`: its log, its telemetry, and the listener for probes and metrics."""

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import Self

from prometheus_client import ProcessCollector

from coordinator.config import CoordinatorConfig
from coordinator.local.log_socket import log_to_socket
from coordinator.metrics import CoordinatorMetrics
from coordinator.service import Coordinator
from runtime import telemetry
from runtime.core_dumps import forbid_core_dumps
from runtime.exposure import check_metrics_listening
from runtime.listener import Listener, Readiness
from runtime.logs import log_to_stderr

_log = logging.getLogger(__name__)


class CoordinatorProcess:
    """A coordinator that serves, with all that operators see of it. One a process.

    Attributes:
        config: What it was started with.
        coordinator: Answers requests.
        metrics_address: Where probes and metrics are answered, ``host:port``; None if nowhere.
    """

    coordinator: Coordinator

    def __init__(self, config: CoordinatorConfig):
        """For `start`, which is how it is made."""
        self.config = config
        self.metrics_address: str | None = None
        self._is_open = False
        self._closing = AsyncExitStack()

    @classmethod
    async def start(cls, config: CoordinatorConfig) -> Self:
        """Returns a process that serves: probes first, then the coordinator.

        Raises:
            CoordinatorError, IndexFormatError: as `Coordinator.open`.
            RuntimeSetupError: no port is free for the metrics, or others would reach it and nobody has said so.
        """
        if config.metrics_listen is not None:
            check_metrics_listening(config.metrics_listen, is_allowed=config.insecure_public_metrics)
        if config.log_socket is None:
            log_to_stderr(config.log_level)
        else:
            log_to_socket(config.log_socket, config.log_level)
        forbid_core_dumps()
        process = cls(config)
        try:
            await process._open()
        except BaseException:
            await process.close()
            raise
        return process

    async def close(self) -> None:
        """Ends all of it: no more probes, no more connections, what telemetry is left is sent. Again: does nothing."""
        if self._is_open:
            _log.info("stopping")
        self._is_open = False
        await self._closing.aclose()

    def check(self) -> None:
        """Returns if this process can go on.

        Raises:
            RuntimeError: it cannot, and should be replaced by another.
        """
        if not self.coordinator.is_alive:
            raise RuntimeError("the event loop does not run as it should; see the log")

    async def _open(self) -> None:
        metrics = CoordinatorMetrics()
        ProcessCollector(registry=metrics.registry)
        end_telemetry = telemetry.set_up("headwater-coordinator", self.config.otel_endpoint)
        self._closing.push_async_callback(asyncio.to_thread, end_telemetry)
        if self.config.metrics_listen is not None:
            listener = Listener(
                self.config.metrics_listen,
                registry=metrics.registry,
                readiness=self._readiness,
                num_ports=self.config.metrics_ports,
            )
            self._closing.push_async_callback(asyncio.to_thread, listener.close)
            self.metrics_address = listener.address
            _log.info("answering probes", extra={"address": listener.address})
        self.coordinator = await Coordinator.open(self.config, metrics)
        self._closing.push_async_callback(self.coordinator.close)
        self._is_open = True
        _log.info("serving")

    def _readiness(self) -> Readiness:
        if not self._is_open:
            return Readiness(False, {"reason": "starting or stopping"})
        return self.coordinator.probe()
