"""``headwater health``: what it says of a server that is ready, of one that is not, and of one that is not there."""

import asyncio
from pathlib import Path

from click.testing import CliRunner, Result
from prometheus_client import CollectorRegistry

from bench.certificates import Authority
from coordinator.local.free_ports import free_ports
from headwater.cli import cli
from runtime.listener import Listener, Readiness
from tests.integration.shard_calls import write_two_shards
from tests.running_servers import shard_server


def asked(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["health", *arguments])


def test_a_server_that_serves_is_healthy_and_a_service_it_lacks_is_not(tmp_path: Path) -> None:
    async def run() -> tuple[Result, Result]:
        async with shard_server(write_two_shards(tmp_path / "index")) as address:
            whole = await asyncio.to_thread(asked, address)
            return whole, await asyncio.to_thread(asked, address, "--service", "other")

    whole, other = asyncio.run(run())
    assert whole.exit_code == 0
    assert whole.output.endswith(": SERVING\n")
    assert other.exit_code == 1
    assert "NOT_FOUND" in other.output


def test_a_server_with_mutual_tls_is_asked_with_a_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    server, client = authority.issue("server"), authority.issue("client")
    tls = {"tls_cert": server.certificate, "tls_key": server.key, "tls_client_ca": authority.path}

    async def run() -> tuple[Result, Result]:
        async with shard_server(write_two_shards(tmp_path / "index"), **tls) as address:
            flags = ["--tls-ca", str(authority.path)]
            without = await asyncio.to_thread(asked, address, *flags)
            flags += ["--tls-cert", str(client.certificate), "--tls-key", str(client.key)]
            return await asyncio.to_thread(asked, address, *flags), without

    with_certificate, without = asyncio.run(run())
    assert with_certificate.exit_code == 0, with_certificate.output
    assert without.exit_code == 1


def test_a_probe_is_asked_over_http_and_its_reason_is_told() -> None:
    found = [Readiness(True)]
    with Listener("127.0.0.1:0", registry=CollectorRegistry(), readiness=lambda: found[0]) as listener:
        ready = asked(f"http://{listener.address}")
        found[0] = Readiness(False, {"reason": "opening the shards"})
        not_ready = asked(f"http://{listener.address}/readyz")
        alive = asked(f"http://{listener.address}/healthz")
    assert ready.exit_code == 0, ready.output
    assert alive.exit_code == 0, alive.output
    assert not_ready.exit_code == 1
    assert "HTTP 503, expected 200; it says opening the shards" in not_ready.output


def test_nobody_there_and_an_address_that_is_none_are_told_in_one_line() -> None:
    port = free_ports(1)[0]
    for target, said in (
        (f"127.0.0.1:{port}", "UNAVAILABLE"),
        (f"http://127.0.0.1:{port}/readyz", "no answer"),
        ("http://127.0.0.1/readyz", "expected http://host:port/readyz"),
        ("127.0.0.1", "expected host:port"),
    ):
        found = asked(target)
        assert found.exit_code == 1
        assert said in found.output
        assert found.output.count("\n") == 1


def test_it_waits_for_a_server_that_is_still_starting() -> None:
    found = [Readiness(False, {"reason": "opening the shards"})]
    readiness = lambda: found.pop() if found else Readiness(True)  # noqa: E731
    with Listener("127.0.0.1:0", registry=CollectorRegistry(), readiness=readiness) as listener:
        asked_again = asked(f"http://{listener.address}", "--wait", "60")
    assert asked_again.exit_code == 0, asked_again.output
    assert not found
