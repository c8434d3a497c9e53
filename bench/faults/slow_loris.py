"""Callers that connect and then say next to nothing: a hundred of them must not keep anybody else waiting."""

import contextlib
import socket
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

# What a client of HTTP/2 says first, then the head of a frame of settings; one of HTTP/1 begins with a line.
_HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" * 50
_HTTP1 = b"POST /v1/trace HTTP/1.1\r\nHost: headwater\r\nContent-Length: 1000\r\nX-Slow: " + b"y" * 1000
_EVERY_S = 0.5
_CONNECT_S = 5.0


class SlowLoris:
    """Connections that send one byte every half second while the ``with`` block runs."""

    def __init__(self, endpoints: Sequence[tuple[str, int]], connections: int, *, http2: bool):
        """Takes whom to bother; ``connections`` are spread over the endpoints."""
        self._endpoints = [endpoints[number % len(endpoints)] for number in range(connections)]
        self._says = _HTTP2 if http2 else _HTTP1
        self._stop = threading.Event()
        self._connections: list[socket.socket] = []
        self._thread = threading.Thread(target=self._drip, name="slow-loris", daemon=True)

    def __enter__(self) -> Self:
        try:
            for endpoint in self._endpoints:
                self._connections.append(socket.create_connection(endpoint, timeout=_CONNECT_S))
        except BaseException:
            self._close()
            raise
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._close()

    def _drip(self) -> None:
        for byte in self._says:
            for connection in self._connections:
                # A server may well have had enough of it.
                with contextlib.suppress(OSError):
                    connection.send(bytes([byte]))
            if self._stop.wait(_EVERY_S):
                return

    def _close(self) -> None:
        for connection in self._connections:
            connection.close()
