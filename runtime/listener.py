"""A small HTTP listener for operators: /metrics (Prometheus), /healthz (the process lives), /readyz (it can serve).

It has a thread and an event loop of its own, so it answers while the process is busy. A client costs a task, never a
thread, and has little time; when there are too many, the oldest goes.
"""

import asyncio
import contextlib
import json
import logging
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Self

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from runtime.address import join_address, split_address
from runtime.errors import ListenError
from runtime.exposure import is_loopback

# A client has this long for its whole request and for taking the answer.
_CLIENT_S = 5.0
_MOST_CLIENTS = 64
_MOST_REQUEST_BYTES = 16 * 1024
_JSON = "application/json"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the process can serve, and what an operator wants to know about it: ``reason`` above all."""

    is_ready: bool
    details: Mapping[str, object] = field(default_factory=dict)


class Listener:
    """Listens from its making until `close`; a context manager."""

    def __init__(
        self,
        listen: str,
        *,
        registry: CollectorRegistry,
        readiness: Callable[[], Readiness],
        num_ports: int = 1,
        client_s: float = _CLIENT_S,
        most_clients: int = _MOST_CLIENTS,
    ):
        """Listens.

        Args:
            listen: Where, ``host:port``. Port 0: any free one.
            registry: What /metrics shows.
            readiness: What /readyz says; called in the listener's thread, so it must be quick and thread-safe.
            num_ports: Ports to try from ``listen`` on, for processes that share a machine and a configuration.
            client_s: Time that a client has, in seconds.
            most_clients: Clients at once.

        Raises:
            ListenError: none of the ports can be listened at.
        """
        self._registry = registry
        self._readiness = readiness
        self._client_s = client_s
        self._most_clients = most_clients
        self._clients: dict[asyncio.Task[None], None] = {}
        self._socket, self.address = _bound(listen, num_ports)
        if not is_loopback(split_address(listen)[0]):
            _log.warning("probes and metrics are answered to others than this machine", extra={"address": self.address})
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops listening; clients that wait are cut off."""
        with contextlib.suppress(RuntimeError):  # closed already
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._meet, sock=self._socket, limit=_MOST_REQUEST_BYTES)
        async with server:
            await self._stop.wait()
            server.close()
            clients = list(self._clients)
            for client in clients:
                client.cancel()
            await asyncio.gather(*clients, return_exceptions=True)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while len(self._clients) >= self._most_clients:
            oldest = next(iter(self._clients))
            del self._clients[oldest]
            oldest.cancel()
        client = asyncio.current_task()
        assert client is not None
        self._clients[client] = None
        try:
            async with asyncio.timeout(self._client_s):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._respond(head))
                await writer.drain()
                writer.write_eof()
                # Until the client has closed too, so that what it has not read yet is not thrown away.
                while await reader.read(_MOST_REQUEST_BYTES):
                    pass
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            # A client that is slow, gone, wrong or one too many has no answer coming.
            writer.transport.abort()
        finally:
            self._clients.pop(client, None)
            writer.close()

    def _respond(self, head: bytes) -> bytes:
        request_line, *lines = head.decode("latin-1").split("\r\n")
        method, _, rest = request_line.partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if method not in ("GET", "HEAD"):
            status, kind, body = HTTPStatus.METHOD_NOT_ALLOWED, _JSON, _json({"reason": "only GET and HEAD"})
        else:
            try:
                status, kind, body = self._page(path, headers.get("accept", ""))
            except Exception:  # the edge of this thread: the page fails, the listener goes on
                _log.exception("page failed", extra={"path": path})
                status, kind, body = HTTPStatus.INTERNAL_SERVER_ERROR, _JSON, _json({"reason": "the log says why"})
        top = f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n"
        return f"{top}connection: close\r\n\r\n".encode() + (b"" if method == "HEAD" else body)

    def _page(self, path: str, accept: str) -> tuple[HTTPStatus, str, bytes]:
        if path == "/metrics":
            try:
                encode, kind = choose_encoder(accept)
            except (TypeError, ValueError):  # the library's answer to a version that is no number
                encode, kind = choose_encoder("")
            return HTTPStatus.OK, kind, encode(self._registry)
        if path == "/healthz":
            return HTTPStatus.OK, _JSON, _json({"alive": True})
        if path == "/readyz":
            found = self._readiness()
            status = HTTPStatus.OK if found.is_ready else HTTPStatus.SERVICE_UNAVAILABLE
            return status, _JSON, _json({"ready": found.is_ready, **found.details})
        return HTTPStatus.NOT_FOUND, _JSON, _json({"reason": "only /metrics, /healthz and /readyz"})


def _bound(listen: str, num_ports: int) -> tuple[socket.socket, str]:
    host, first = split_address(listen)
    ports = range(first, first + num_ports) if first else (0,)
    reason = ""
    for port in ports:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            bound = socket.create_server((host, port), family=family)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            continue
        return bound, join_address(host, bound.getsockname()[1])
    tried = listen if len(ports) == 1 else f"{listen} and the {len(ports) - 1} ports after it"
    raise ListenError(f"{tried}: cannot listen for metrics and probes there ({reason}); choose another address")


def _json(content: Mapping[str, object]) -> bytes:
    return json.dumps(content, default=str).encode() + b"\n"
