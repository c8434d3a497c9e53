"""The fault proxy does to a connection what it says, and no more: checked against an echo server on this machine."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from bench.faults.proxy import Blackhole, Cut, Delayed, FaultProxy, ProxyThread, Sound, Throttled, Truncated

pytestmark = pytest.mark.usefixtures("leaves_nothing_behind")

PATIENCE_S = 10.0


def _echo(listener: socket.socket) -> None:
    """Answers every connection with what it says, until the listener closes."""
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_echo_one, args=(connection,), daemon=True).start()


def _echo_one(connection: socket.socket) -> None:
    with connection, contextlib.suppress(OSError):
        while said := connection.recv(65_536):
            connection.sendall(said)


@pytest.fixture
def upstream() -> Iterator[tuple[str, int]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_echo, args=(listener,))
        thread.start()
        yield listener.getsockname()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture
def proxies(upstream: tuple[str, int]) -> Iterator[ProxyThread]:
    with ProxyThread() as running:
        yield running


@pytest.fixture
def proxy(proxies: ProxyThread, upstream: tuple[str, int]) -> FaultProxy:
    return proxies.open(upstream)


def connect(proxy: FaultProxy) -> socket.socket:
    host, _, port = proxy.address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE_S)


def read(connection: socket.socket, size: int) -> bytes:
    """Returns ``size`` bytes, or fewer if the connection ends."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while len(received) < size and (chunk := connection.recv(65_536)):
            received += chunk
    return received


def test_a_sound_link_passes_every_byte_in_order(proxy: FaultProxy) -> None:
    message = bytes(range(256)) * 4_000
    with connect(proxy) as connection:
        sender = threading.Thread(target=connection.sendall, args=(message,))
        sender.start()
        assert read(connection, len(message)) == message
        sender.join()


def test_a_cut_link_resets_connections_and_refuses_new_ones_until_it_is_sound(
    proxies: ProxyThread, proxy: FaultProxy
) -> None:
    with connect(proxy) as connection:
        connection.sendall(b"one")
        assert read(connection, 3) == b"one"
        proxies.set(proxy, Cut())
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    proxies.set(proxy, Sound())
    with connect(proxy) as connection:
        connection.sendall(b"two")
        assert read(connection, 3) == b"two"


def test_a_blackhole_holds_bytes_back_and_delivers_them_once_the_link_is_sound(
    proxies: ProxyThread, proxy: FaultProxy
) -> None:
    with connect(proxy) as connection:
        proxies.set(proxy, Blackhole())
        connection.sendall(b"held")
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        with connect(proxy) as another:
            another.settimeout(0.1)
            another.sendall(b"new")
            with pytest.raises(TimeoutError):
                another.recv(1)
        connection.settimeout(PATIENCE_S)
        proxies.set(proxy, Sound())
        assert read(connection, 4) == b"held"


def test_a_delayed_link_adds_its_delay_in_each_direction(proxies: ProxyThread, proxy: FaultProxy) -> None:
    proxies.set(proxy, Delayed(0.1))
    with connect(proxy) as connection:
        began = time.monotonic()
        connection.sendall(b"slow")
        assert read(connection, 4) == b"slow"
        assert time.monotonic() - began >= 0.2


def test_a_delayed_link_keeps_bytes_in_flight_side_by_side(proxies: ProxyThread, proxy: FaultProxy) -> None:
    proxies.set(proxy, Delayed(0.2))
    message = b"x" * (1024 * 1024)  # 64 chunks: one after the other they would take 13 s in each direction
    with connect(proxy) as connection:
        began = time.monotonic()
        sender = threading.Thread(target=connection.sendall, args=(message,))
        sender.start()
        assert read(connection, len(message)) == message
        sender.join()
        assert time.monotonic() - began < 8


def test_a_throttled_link_passes_its_rate(proxies: ProxyThread, proxy: FaultProxy) -> None:
    proxies.set(proxy, Throttled(100_000))
    message = b"x" * 20_000
    with connect(proxy) as connection:
        began = time.monotonic()
        connection.sendall(message)
        assert read(connection, len(message)) == message
        assert time.monotonic() - began >= 0.2


def test_a_truncated_link_ends_inside_a_message_with_a_reset(proxies: ProxyThread, proxy: FaultProxy) -> None:
    with connect(proxy) as connection:
        connection.sendall(b"before")
        assert read(connection, 6) == b"before"
        proxies.set(proxy, Truncated(4))
        connection.sendall(b"after all")
        assert len(read(connection, 9)) <= 4
        assert connection.fileno() >= 0


def test_a_link_whose_server_is_gone_ends_new_connections(proxies: ProxyThread) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gone = listener.getsockname()
    proxy = proxies.open(gone)
    # Closed or reset, and maybe before `connect` has returned.
    try:
        with connect(proxy) as connection:
            said = read(connection, 1)
    except ConnectionResetError:
        said = b""
    assert said == b""
