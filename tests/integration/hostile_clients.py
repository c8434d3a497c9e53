"""Clients that speak HTTP/2 badly, slowly or not at all, by hand."""

import socket
import struct

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS = 0, 1, 4
_END_HEADERS = 4


def connect(address: str) -> socket.socket:
    """Returns an open connection that has said nothing."""
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=60)


def say_hello(client: socket.socket) -> None:
    """Opens HTTP/2 and nothing more."""
    client.sendall(_PREFACE + _frame(_SETTINGS, 0, 0))


def open_call(client: socket.socket, method: bytes, stream: int = 1) -> None:
    """Sends the headers of a call, whose request never follows."""
    fields = {
        b":method": b"POST",
        b":scheme": b"http",
        b":path": method,
        b":authority": b"shard",
        b"content-type": b"application/grpc",
        b"te": b"trailers",
    }
    block = b"".join(b"\x00" + _text(name) + _text(value) for name, value in fields.items())
    client.sendall(_frame(_HEADERS, _END_HEADERS, stream, block))


def send_part(client: socket.socket, content: bytes, stream: int = 1) -> None:
    """Sends a part of a request."""
    client.sendall(_frame(_DATA, 0, stream, content))


def _text(text: bytes) -> bytes:
    assert len(text) < 127
    return bytes([len(text)]) + text


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload
