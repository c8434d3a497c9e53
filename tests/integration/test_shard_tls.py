"""Coordinator and shard servers over mutual TLS: the same answers, rotation under load, and errors that say TLS."""

import asyncio
import logging
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

import headwater
from bench.certificates import Authority
from coordinator.errors import ConfigurationError, NoShardAnsweredError
from coordinator.results import Trace
from tests.integration.trace_load import ANSWER, OPTIONS, REQUEST, TEXTS, traces, untimed
from tests.running_servers import (
    NO_LONGER_MS,
    coordinator,
    generations,
    shard_server,
    until,
    unused_address,
    write_cluster_file,
)
from tests.tiny_index import byte_level_tokenizer, write_index


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_index(
        tmp_path_factory.mktemp("served") / "index", [TEXTS[:2], TEXTS[2:]], byte_level_tokenizer(TEXTS, 300)
    )


@pytest.fixture(scope="module")
def expected(index: Path) -> Trace:
    with headwater.open(index) as opened:
        return untimed(opened.trace(ANSWER, REQUEST.prompt, OPTIONS))


class Files:
    """A CA with an identity of each side, as settings."""

    def __init__(self, directory: Path, hosts: tuple[str, ...] = ("127.0.0.1",)):
        directory.mkdir(exist_ok=True)
        self.authority = Authority(directory)
        self.server = self.authority.issue("server", hosts=hosts)
        self.client = self.authority.issue("client")

    @property
    def of_server(self) -> dict[str, Any]:
        return {"tls_cert": self.server.certificate, "tls_key": self.server.key, "tls_client_ca": self.authority.path}

    @property
    def of_coordinator(self) -> dict[str, Any]:
        return {
            "shard_tls_ca": self.authority.path,
            "shard_tls_cert": self.client.certificate,
            "shard_tls_key": self.client.key,
        }


def test_a_trace_over_mutual_tls_is_the_same(index: Path, tmp_path: Path, expected: Trace) -> None:
    files = Files(tmp_path / "ours", hosts=("shards.example",))
    settings = {**files.of_coordinator, "shard_tls_server_name": "shards.example"}

    async def run() -> None:
        async with (
            shard_server(index, **files.of_server) as address,
            coordinator(tmp_path, index, [address, address], **settings) as opened,
        ):
            assert untimed(await opened.trace(REQUEST)) == expected

    asyncio.run(run())


def test_everything_is_rotated_under_load_and_no_trace_fails(
    index: Path, tmp_path: Path, expected: Trace, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "runtime.tls_files")
    ours, theirs = Files(tmp_path / "ours"), Files(tmp_path / "theirs")
    listen = unused_address()
    cluster_file = write_cluster_file(tmp_path / "cluster.yaml", index, [listen, listen])

    async def run() -> None:
        async with AsyncExitStack() as servers:
            await servers.enter_async_context(shard_server(index, listen=listen, **ours.of_server))
            async with generations(cluster_file, **ours.of_coordinator) as serving:
                async with traces(serving, 3) as load:

                    async def step(path: Path, content: bytes) -> None:
                        path.write_bytes(content)  # noqa: ASYNC240
                        await serving.reload()
                        await load.more(20)

                    await load.more(20)
                    both = ours.authority.path.read_bytes() + theirs.authority.path.read_bytes()
                    await step(ours.authority.path, both)  # both sides believe both CAs, each still shows the old one
                    for old, new in ((ours.server, theirs.server), (ours.client, theirs.client)):
                        await step(old.key, new.key.read_bytes())  # a half, which is not used
                        await step(old.certificate, new.certificate.read_bytes())
                    await step(ours.authority.path, theirs.authority.path.read_bytes())
                assert load.errors == []
                assert all(answer == expected for answer in load.answers)
                # A server that knows nothing of the old CA: the next connection is made with the new files.
                await servers.aclose()
                async with shard_server(index, listen=listen, **theirs.of_server):
                    await until(lambda: serving.share_searchable() == 1.0)
                    async with serving.current() as generation:
                        assert untimed(await generation.pipeline.trace(REQUEST, 10)) == expected

    asyncio.run(run())
    assert len([record for record in caplog.records if record.message == "TLS files are read again"]) >= 3
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == [
        "changed TLS files are not used; those before them stay"  # the half of the client's pair
    ]


def test_a_change_that_servers_do_not_take_leaves_the_old_connection(
    index: Path, tmp_path: Path, expected: Trace, caplog: pytest.LogCaptureFixture
) -> None:
    ours, theirs = Files(tmp_path / "ours"), Files(tmp_path / "theirs")

    async def run() -> None:
        async with shard_server(index, **ours.of_server) as address:
            cluster_file = write_cluster_file(tmp_path / "cluster.yaml", index, [address, address])
            async with generations(cluster_file, **ours.of_coordinator) as serving:
                ours.authority.path.write_bytes(theirs.authority.path.read_bytes())
                await serving.reload()
                async with serving.current() as generation:
                    assert untimed(await generation.pipeline.trace(REQUEST, 10)) == expected

    asyncio.run(run())
    assert "changed TLS files do not get through to a shard server" in [record.message for record in caplog.records]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "the server closed the connection at once; does it want TLS, or a client certificate"),
        ({"shard_tls_ca": "ours"}, "the server closed the connection at once; does it want TLS, or a client cert"),
        ({"shard_tls_ca": "theirs"}, "TLS: no CA that is trusted here vouches for the server's certificate"),
    ],
)
def test_who_asks_is_told_that_it_is_tls(index: Path, tmp_path: Path, settings: dict[str, str], reason: str) -> None:
    files = {"ours": Files(tmp_path / "ours"), "theirs": Files(tmp_path / "theirs")}
    given = {name: files[whose].authority.path for name, whose in settings.items()}

    async def run() -> str:
        async with (
            shard_server(index, **files["ours"].of_server) as address,
            coordinator(tmp_path, index, [address] * 2, connect_timeout_ms=NO_LONGER_MS, **given) as opened,
        ):
            with pytest.raises(NoShardAnsweredError) as raised:
                await opened.trace(REQUEST)
        return str(raised.value)

    assert reason in asyncio.run(run())


def test_files_that_are_wrong_at_the_start_are_named(index: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with coordinator(tmp_path, index, ["127.0.0.1:1"], shard_tls_ca=tmp_path / "gone.pem"):
            pass

    with pytest.raises(ConfigurationError, match=r"gone\.pem: cannot read it"):
        asyncio.run(run())
