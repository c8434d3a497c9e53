import subprocess
from pathlib import Path

from coordinator.local.haproxy_guard import write_guard

CONFIGURATION = """\
frontend http_frontend
    bind 127.0.0.1:8000
    mode http
backend default_backend
    http-request return status 404
frontend grpc_frontend
    bind 127.0.0.1:9000 proto h2
    mode http
    log global
backend grpc_headwater
    mode http
"""
HTTP_RULES = [
    "    http-request del-header x-request-id if { req.fhdr_cnt(x-request-id) gt 1 }",
    "    http-request del-header x-request-id unless { req.fhdr(x-request-id) -m reg ^[A-Za-z0-9._:=-]{1,128}$ }",
    "    http-request del-header x-request-timeout-seconds",
    "    http-request del-header x-request-disconnect-disabled",
]
RULE = "    http-request return status 200 content-type application/grpc hdr grpc-status 3 "


def run(guard: Path, *arguments: str) -> list[str]:
    """Runs the script with a program in HAProxy's place that says its arguments."""
    done = subprocess.run([str(guard), *arguments], capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.splitlines()


def guard_of(tmp_path: Path) -> Path:
    haproxy = tmp_path / "real haproxy"
    haproxy.write_text('#!/bin/sh\nfor each in "$@"; do echo "$each"; done\n')
    haproxy.chmod(0o700)
    return write_guard(tmp_path / "haproxy", str(haproxy))


def test_the_rules_are_put_into_their_frontends_and_nowhere_else(tmp_path: Path) -> None:
    file = tmp_path / "haproxy.cfg"
    file.write_text(CONFIGURATION)
    arguments = run(guard_of(tmp_path), "-db", "-f", str(file), "-sf", "1 2")
    assert arguments == ["-db", "-f", f"{file}.guarded", "-sf", "1 2"]
    lines = Path(f"{file}.guarded").read_text().splitlines()
    [place] = [number for number, line in enumerate(lines) if line.startswith(RULE)]
    assert lines[place - 1] == "    mode http"
    before = CONFIGURATION.splitlines()
    assert lines[:place] + lines[place + 1 :] == [*before[:2], *HTTP_RULES, *before[2:]]
    assert lines[place].endswith('if { path -m reg "[^ -~]" }')
    assert file.read_text() == CONFIGURATION


def test_other_arguments_are_handed_on_as_they_are(tmp_path: Path) -> None:
    assert run(guard_of(tmp_path), "-v") == ["-v"]
