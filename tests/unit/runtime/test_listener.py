"""The listener answers probes and scrapes, whatever else hangs on its port."""

import http.client
import json
import socket
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter

from runtime.address import join_address, split_address
from runtime.errors import ListenError
from runtime.listener import Listener, Readiness

pytestmark = pytest.mark.usefixtures("leaves_nothing_behind")


class Process:
    """What a listener shows."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        Counter("calls", "Calls.", registry=self.registry).inc(3)
        self.readiness = Readiness(True, {"shards": [0, 1]})

    def listen(self, address: str = "127.0.0.1:0", **settings: float) -> Listener:
        return Listener(
            address,
            registry=self.registry,
            readiness=lambda: self.readiness,
            **settings,  # type: ignore[arg-type]
        )


@pytest.fixture
def process() -> Process:
    return Process()


@pytest.fixture
def listener(process: Process) -> Iterator[Listener]:
    with process.listen() as opened:
        yield opened


def get(listener: Listener, path: str, method: str = "GET", **headers: str) -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection(*split_address(listener.address), timeout=60)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, response.getheader("content-type") or "", response.read()
    finally:
        connection.close()


def connect(listener: Listener) -> socket.socket:
    return socket.create_connection(split_address(listener.address), timeout=60)


def test_metrics_are_those_of_the_registry(listener: Listener) -> None:
    status, kind, body = get(listener, "/metrics?x=1")
    assert (status, kind.partition(";")[0]) == (200, "text/plain")
    assert b"calls_total 3.0" in body
    assert get(listener, "/metrics", accept="application/openmetrics-text")[1].startswith("application/openmetrics")


def test_the_process_is_alive_and_ready_or_says_why_not(listener: Listener, process: Process) -> None:
    assert get(listener, "/healthz")[0] == 200
    status, _, body = get(listener, "/readyz")
    assert (status, json.loads(body)) == (200, {"ready": True, "shards": [0, 1]})
    process.readiness = Readiness(False, {"reason": "draining"})
    status, _, body = get(listener, "/readyz")
    assert (status, json.loads(body)) == (503, {"ready": False, "reason": "draining"})
    assert get(listener, "/healthz")[0] == 200


def test_other_pages_and_methods_are_refused(listener: Listener) -> None:
    assert get(listener, "/")[0] == 404
    assert get(listener, "/healthz", "POST")[0] == 405
    assert get(listener, "/healthz", "HEAD") == (200, "application/json", b"")


def test_a_page_that_fails_is_an_error_and_the_listener_goes_on(
    process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    process.readiness = None  # type: ignore[assignment]
    with process.listen() as listener:
        assert get(listener, "/readyz")[0] == 500
        assert "page failed" in caplog.text
        assert get(listener, "/healthz")[0] == 200


def test_clients_that_say_nothing_keep_nobody_out(process: Process) -> None:
    with process.listen(most_clients=4, client_s=60) as listener:
        idle = [connect(listener) for _ in range(20)]
        assert get(listener, "/healthz")[0] == 200
        assert idle[0].recv(1) == b""
        for client in idle:
            client.close()


def test_a_client_that_takes_too_long_is_cut_off(process: Process) -> None:
    with process.listen(client_s=0.1) as listener, connect(listener) as client:
        client.sendall(b"GET /healthz HT")
        assert client.recv(1) == b""


def test_a_request_without_end_is_cut_off(listener: Listener) -> None:
    with connect(listener) as client, pytest.raises(OSError, match=r"reset|Broken pipe"):
        while True:
            client.sendall(b"x" * 65536)


def test_closing_cuts_off_those_who_wait_and_frees_the_port(process: Process) -> None:
    listener = process.listen(client_s=60)
    with connect(listener) as client:
        assert get(listener, "/healthz")[0] == 200
        listener.close()
        listener.close()
        assert client.recv(1) == b""
    with process.listen(listener.address) as again:
        assert again.address == listener.address


def test_processes_that_share_a_range_take_the_next_free_port(process: Process) -> None:
    with process.listen() as first:
        host, port = split_address(first.address)
        with process.listen(first.address, num_ports=50) as second:
            assert port < split_address(second.address)[1] < port + 50
        with pytest.raises(ListenError, match=f"{first.address}: cannot listen .* in use"):
            process.listen(join_address(host, port))


@pytest.mark.parametrize("accept", ["application/openmetrics-text; version=1.x", "text/plain; escaping=\x01;version=a"])
def test_a_format_that_is_none_gets_metrics_all_the_same(listener: Listener, accept: str) -> None:
    assert get(listener, "/metrics", Accept=accept)[0] == 200
