"""The log of replicas that Ray has started, brought together in one stream: that of the process they belong to.

A replica's own standard error goes to a file deep in Ray's folders. A socket of datagrams keeps lines whole, and never
makes the sender wait.
"""

import contextlib
import logging
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from runtime.logs import JsonFormatter

_MOST_LINE_BYTES = 64 * 1024


class LogSocketHandler(logging.Handler):
    """Sends each record as a line of JSON to the socket at ``path``. Lines that nobody takes at once are lost."""

    def __init__(self, path: Path):
        super().__init__()
        self.setFormatter(JsonFormatter())
        self._path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def emit(self, record: logging.LogRecord) -> None:
        """Sends one record."""
        line = self.format(record).encode(errors="replace")[:_MOST_LINE_BYTES]
        with contextlib.suppress(OSError):  # nobody listens, or too slowly: the work goes on
            self._socket.sendto(line, self._path)

    def close(self) -> None:
        """Closes the socket."""
        self._socket.close()
        super().close()


def log_to_socket(path: Path, level: str) -> None:
    """Sends the process's log to the socket at ``path``."""
    logging.basicConfig(level=level.upper(), handlers=[LogSocketHandler(path)], force=True)


@contextlib.contextmanager
def lines_to_stderr(path: Path) -> Iterator[None]:
    """Writes what comes to the socket at ``path`` to standard error while the block runs."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(path))
        thread = threading.Thread(target=_copy, args=(receiver,), name="log socket", daemon=True)
        thread.start()
        try:
            yield
        finally:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, contextlib.suppress(OSError):
                sender.sendto(b"", str(path))
                thread.join(timeout=5)
            path.unlink(missing_ok=True)


def _copy(receiver: socket.socket) -> None:
    while line := receiver.recv(_MOST_LINE_BYTES):
        with contextlib.suppress(OSError):
            os.write(sys.stderr.fileno(), line + b"\n")
