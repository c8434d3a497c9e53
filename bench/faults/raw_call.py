"""A gRPC call written by hand, for what no library would send."""

import contextlib
import socket
import struct

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS, _GOAWAY = 0, 1, 4, 7
_END_STREAM, _END_HEADERS = 1, 4
_EMPTY_MESSAGE = bytes(5)
_TIMEOUT_S = 5.0


def call_raw(endpoint: tuple[str, int], method: bytes) -> None:
    """Calls a method by any bytes, with an empty message, and waits until the server has answered it or hung up."""
    content = _PREFACE + _frame(_SETTINGS, 0, 0) + _frame(_HEADERS, _END_HEADERS, 1, _head(method))
    content += _frame(_DATA, _END_STREAM, 1, _EMPTY_MESSAGE)
    with contextlib.suppress(OSError), socket.create_connection(endpoint, timeout=_TIMEOUT_S) as connection:
        connection.sendall(content)
        with connection.makefile("rb") as answer:
            while len(head := answer.read(9)) == 9:
                kind, stream = head[3], struct.unpack(">I", head[5:])[0]
                if stream == 1 or kind == _GOAWAY:
                    return
                answer.read(int.from_bytes(head[:3], "big"))


def _head(method: bytes) -> bytes:
    """Returns the headers of a call, each spelt out (RFC 7541, literal header field without indexing)."""
    fields = (
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", method),
        (b":authority", b"headwater"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
    )
    return b"".join(b"\x00" + _short(name) + _short(value) for name, value in fields)


def _short(text: bytes) -> bytes:
    assert len(text) < 127
    return bytes([len(text)]) + text


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload
