"""A shard server over TLS: who gets in, what the others are told, and certificates replaced while it serves."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import grpc.aio
import pytest

from bench.certificates import Authority, Identity
from coordinator.cluster.connection_fault import connection_fault
from protos.shard.v1 import shard_pb2, shard_pb2_grpc
from tests.integration.shard_calls import write_two_shards
from tests.running_servers import shard_server


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return write_two_shards(tmp_path / "index")


class Callers:
    """A CA, and what it vouches for on both sides."""

    def __init__(self, directory: Path, name: str = "ca"):
        directory.mkdir(exist_ok=True)
        self.authority = Authority(directory, name)
        self.server = self.authority.issue("server")
        self.client = self.authority.issue("client")

    @property
    def of_server(self) -> dict[str, Path]:
        return {
            "tls_cert": self.server.certificate,
            "tls_key": self.server.key,
            "tls_client_ca": self.authority.path,
        }


def secure(address: str, authority: Authority, client: Identity | None, **options: str) -> grpc.aio.Channel:
    own = (client.key.read_bytes(), client.certificate.read_bytes()) if client else (None, None)
    credentials = grpc.ssl_channel_credentials(authority.path.read_bytes(), *own)
    named = [(f"grpc.{name}", value) for name, value in options.items()]
    return grpc.aio.secure_channel(address, credentials, options=[*named, ("grpc.use_local_subchannel_pool", 1)])


async def described(channel: grpc.aio.Channel) -> str:
    """Returns what came of a call: OK, or why there is no connection."""
    async with channel:
        try:
            await shard_pb2_grpc.ShardServiceStub(channel).Describe(shard_pb2.DescribeRequest(), timeout=60)
        except grpc.aio.AioRpcError as error:
            assert error.code() is grpc.StatusCode.UNAVAILABLE
            return connection_fault(error.details() or "") or f"not told: {error.details()}"
    return "OK"


def test_only_callers_with_a_certificate_of_the_ca_get_in(index: Path, tmp_path: Path) -> None:
    ours, theirs = Callers(tmp_path / "ours"), Callers(tmp_path / "theirs")
    expired = ours.authority.issue("expired", is_expired=True)

    async def run() -> None:
        async with shard_server(index, **ours.of_server) as address:
            assert await described(secure(address, ours.authority, ours.client)) == "OK"
            wants = "the server closed the connection at once; does it want TLS, or a client certificate over TLS?"
            assert await described(secure(address, ours.authority, None)) == wants
            assert await described(secure(address, ours.authority, theirs.client)) == wants
            assert await described(secure(address, ours.authority, expired)) == wants
            assert await described(grpc.aio.insecure_channel(address)) == wants
            unknown = "TLS: no CA that is trusted here vouches for the server's certificate"
            assert await described(secure(address, theirs.authority, ours.client)) == unknown
            # What a server shows is held against the name that was asked for.
            other = secure(address, ours.authority, ours.client, ssl_target_name_override="elsewhere.example")
            assert await described(other) == "TLS: the server's certificate is not for this address"

    asyncio.run(run())


def test_an_expired_server_is_not_talked_to(index: Path, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server = authority.issue("server", is_expired=True)

    async def run() -> None:
        async with shard_server(index, tls_cert=server.certificate, tls_key=server.key) as address:
            assert await described(secure(address, authority, None)) == "TLS: the server's certificate has expired"

    asyncio.run(run())


def test_without_a_client_ca_every_caller_gets_in_over_tls(index: Path, tmp_path: Path) -> None:
    callers = Callers(tmp_path / "ours")

    async def run() -> None:
        given = {**callers.of_server, "tls_client_ca": None}
        async with shard_server(index, **given) as address:
            assert await described(secure(address, callers.authority, None)) == "OK"
            assert "does it want TLS" in await described(grpc.aio.insecure_channel(address))

    asyncio.run(run())


def test_certificates_and_cas_are_replaced_while_it_serves(index: Path, tmp_path: Path) -> None:
    ours, theirs = Callers(tmp_path / "ours"), Callers(tmp_path / "theirs")

    async def run() -> None:
        async with (
            shard_server(index, **ours.of_server) as address,
            secure(address, ours.authority, ours.client) as old,
        ):
            stub = shard_pb2_grpc.ShardServiceStub(old)
            await stub.Describe(shard_pb2.DescribeRequest(), timeout=60)
            theirs.server.certificate.replace(ours.server.certificate)
            # Half of a pair is not used, and nobody is turned away for it.
            assert await described(secure(address, ours.authority, ours.client)) == "OK"
            theirs.server.key.replace(ours.server.key)
            old_ca = ours.authority.path.read_bytes()
            ours.authority.path.write_bytes(old_ca + theirs.authority.path.read_bytes())
            # Both CAs vouch for callers now; the server shows its new certificate.
            assert await described(secure(address, theirs.authority, theirs.client)) == "OK"
            assert await described(secure(address, theirs.authority, ours.client)) == "OK"
            ours.authority.path.write_bytes(theirs.authority.path.read_bytes())
            assert "does it want TLS" in await described(secure(address, theirs.authority, ours.client))
            # A connection that is open stays.
            await stub.Describe(shard_pb2.DescribeRequest(), timeout=60)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--listen", "0.0.0.0:0"], r"0\.0\.0\.0:0: this is not a loopback address.*give tls_cert, tls_key and tls_"),
        (["--listen", "0.0.0.0:0", "--tls-cert", "{crt}", "--tls-key", "{key}"], "anybody who reaches it may ask"),
        (["--metrics-listen", "0.0.0.0:0"], "metrics_listen .* or set insecure_public_metrics"),
        (["--tls-cert", "{crt}"], "tls_cert and tls_key go together"),
        (["--tls-client-ca", "{crt}"], "tls_client_ca without tls_cert"),
        (["--tls-cert", "{crt}", "--tls-key", "{crt}"], "expected a certificate and its private key"),
        (["--tls-cert", "{crt}", "--tls-key", "{key}.gone"], "cannot read it"),
    ],
)
def test_what_is_not_safe_or_not_whole_is_refused_at_the_start(
    index: Path, tmp_path: Path, flags: list[str], message: str
) -> None:
    server = Callers(tmp_path / "ours").server
    filled = [flag.format(crt=server.certificate, key=server.key) for flag in flags]
    command = [sys.executable, "-m", "shard_server", "--index", str(index), "--listen", "127.0.0.1:0", *filled]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert re.search(message, done.stderr.splitlines()[-1]), done.stderr
