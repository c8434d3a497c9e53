"""Two replicas a shard, over real gRPC: whatever becomes of one of them, no trace shows it."""

import asyncio
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import headwater
from bench.faults.proxy import Cut, ProxyThread, Sound
from coordinator.cluster.serving import Serving
from coordinator.errors import ShardUnavailableError
from coordinator.results import Trace
from coordinator.values import DocumentId, ShardId
from runtime.address import split_address
from tests.integration.trace_load import ANSWER, DEADLINE_S, OPTIONS, REQUEST, TEXTS, traces, untimed
from tests.running_servers import (
    ShardProcess,
    generations,
    shard_process,
    shard_server,
    until,
    unused_address,
    write_cluster_file,
)
from tests.tiny_index import byte_level_tokenizer, write_index
from tests.unit.coordinator.cluster.fake_servers import Recorder

# No fault may show as a trace that hangs until its try's time is up, a third of its deadline. A trace takes about
# 20 ms with eight at once, a tenth of a second round a fault, and a second or two where all cores are busy.
NO_HANG_S = DEADLINE_S / 6


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_index(
        tmp_path_factory.mktemp("served") / "index", [TEXTS[:2], TEXTS[2:]], byte_level_tokenizer(TEXTS, 300)
    )


@pytest.fixture(scope="module")
def expected(index: Path) -> Trace:
    with headwater.open(index) as opened:
        return untimed(opened.trace(ANSWER, REQUEST.prompt, OPTIONS))


@pytest.fixture
def pair(index: Path) -> Iterator[tuple[ShardProcess, ShardProcess]]:
    """Two servers that hold both shards each."""
    with (
        shard_process(index, drain_notice_s=0.5) as first,
        shard_process(index, drain_notice_s=0.5) as second,
    ):
        yield first, second


def cluster_of(tmp_path: Path, index: Path, *servers: str) -> Path:
    return write_cluster_file(tmp_path / "cluster.yaml", index, [servers, servers])


async def until_usable(served: Serving, *addresses: str) -> None:
    """Returns when these servers, and no other, are usable as replicas of every shard."""
    now = asyncio.get_running_loop().time
    async with served.current() as generation:
        await until(
            lambda: all(
                {one.address for one in shard.replicas if one.is_usable(now())} == set(addresses)
                for shard in generation.replica_sets
            )
        )


def check_unharmed(load: Any, expected: Trace) -> None:
    assert load.errors == []
    assert all(answer == expected for answer in load.answers)
    assert max(load.seconds) < NO_HANG_S


def test_both_replicas_answer_and_the_answers_are_equal(
    index: Path, tmp_path: Path, pair: tuple[ShardProcess, ShardProcess], expected: Trace
) -> None:
    async def run() -> set[str]:
        recorder: Any = Recorder()
        async with generations(cluster_of(tmp_path, index, *[one.address for one in pair]), recorder) as served:
            async with traces(served) as load:
                await load.more(50)
            check_unharmed(load, expected)
        return {values[2] for values in recorder.of("call_finished")}

    assert asyncio.run(run()) == {one.address for one in pair}


def test_the_death_of_a_replica_is_not_seen(
    index: Path, tmp_path: Path, pair: tuple[ShardProcess, ShardProcess], expected: Trace
) -> None:
    async def run() -> None:
        first, second = pair
        async with generations(cluster_of(tmp_path, index, first.address, second.address)) as served:
            async with traces(served) as load:
                await load.more(50)
                first.kill()
                await load.more(100)
                await until_usable(served, second.address)
            check_unharmed(load, expected)

    asyncio.run(run())


def test_a_frozen_replica_is_not_seen_and_comes_back(
    index: Path, tmp_path: Path, pair: tuple[ShardProcess, ShardProcess], expected: Trace
) -> None:
    async def run() -> None:
        first, second = pair
        async with generations(cluster_of(tmp_path, index, first.address, second.address)) as served:
            async with traces(served) as load:
                await load.more(50)
                first.freeze()
                await load.more(100)
                await until_usable(served, second.address)
                # The pings say so: nothing else ends the connection of a server that is stopped where it is.
                async with served.current() as generation:
                    replica = generation.replica_sets[0].replicas[0]
                    await until(lambda: replica.link.state.kind == "unreachable")
                await load.more(100)
                first.thaw()
                await until_usable(served, first.address, second.address)
                await load.more(50)
            check_unharmed(load, expected)

    asyncio.run(run())


def test_a_server_that_drains_loses_no_call(
    index: Path, tmp_path: Path, pair: tuple[ShardProcess, ShardProcess], expected: Trace
) -> None:
    async def run() -> None:
        first, second = pair
        async with generations(cluster_of(tmp_path, index, first.address, second.address)) as served:
            async with traces(served) as load:
                await load.more(50)
                first.process.terminate()
                await until_usable(served, second.address)
                assert first.process.poll() is None  # it has only given notice so far
                await asyncio.to_thread(first.process.wait, 20)
                await load.more(50)
            check_unharmed(load, expected)

    asyncio.run(run())


def test_connections_that_all_break_for_a_moment_are_not_seen(
    index: Path, tmp_path: Path, pair: tuple[ShardProcess, ShardProcess], expected: Trace
) -> None:
    async def run(proxies: ProxyThread) -> None:
        links = [proxies.open(split_address(one.address)) for one in pair]
        addresses = [link.address for link in links]
        async with generations(cluster_of(tmp_path, index, *addresses), reconnect_grace_ms=5_000) as served:
            async with traces(served) as load:
                await load.more(50)
                for link in links:
                    await asyncio.to_thread(proxies.set, link, Cut())
                await asyncio.sleep(0.1)  # how long the network is away
                for link in links:
                    await asyncio.to_thread(proxies.set, link, Sound())
                await until_usable(served, *addresses)
                await load.more(50)
            assert load.errors == []
            assert all(answer == expected for answer in load.answers)

    with ProxyThread() as proxies:
        asyncio.run(run(proxies))


def test_a_shard_without_replicas_is_named_until_one_comes_back(index: Path, tmp_path: Path, expected: Trace) -> None:
    async def run() -> None:
        addresses = [unused_address(), unused_address()]
        async with shard_server(index, [0]) as other:
            cluster = write_cluster_file(tmp_path / "cluster.yaml", index, [other, addresses])
            async with generations(cluster, connect_timeout_ms=100) as served:
                async with served.current() as generation:
                    trace = await generation.pipeline.trace(REQUEST, 10.0)
                (failed,) = trace.coverage.failed_shards
                assert failed.shard == ShardId("default", 1)
                assert all(f"{address}: connection refused" in failed.reason for address in addresses)
                assert served.share_searchable() == pytest.approx(trace.coverage.share_searched)
                assert 0 < served.share_searchable() < 1
                async with shard_server(index, [1], listen=addresses[1]):
                    await until(lambda: served.share_searchable() == 1)
                    async with served.current() as generation:
                        assert untimed(await generation.pipeline.trace(REQUEST, 10.0)) == expected

    asyncio.run(run())


def test_a_replica_of_another_index_is_refused_by_name_while_the_other_serves(
    index: Path, tmp_path: Path, expected: Trace, caplog: pytest.LogCaptureFixture
) -> None:
    foreign = write_index(tmp_path / "other", [TEXTS[1:], TEXTS[:1]], byte_level_tokenizer(TEXTS, 300))

    async def run() -> tuple[str, list[tuple[Any, ...]]]:
        recorder: Any = Recorder()
        async with (
            shard_server(index) as good,
            shard_server(foreign) as bad,
            generations(cluster_of(tmp_path, index, bad, good), recorder) as served,
        ):
            async with traces(served) as load:
                await load.more(30)
            check_unharmed(load, expected)
        return bad, recorder.of("replica_changed")

    bad, changes = asyncio.run(run())
    assert [(ShardId("default", 0)), bad, "mismatched"] in [list(change) for change in changes]
    reasons = [record.__dict__["reason"] for record in caplog.records if record.message == "replica not usable"]
    assert any(reason.startswith(f"{bad}: found index_id ") for reason in reasons)


def test_a_caller_that_leaves_leaves_no_call_at_the_servers(index: Path, tmp_path: Path) -> None:
    async def run() -> None:
        with shard_process(index) as frozen:
            async with generations(cluster_of(tmp_path, index, frozen.address)) as served:
                frozen.freeze()
                async with served.current() as generation:
                    call = asyncio.create_task(
                        generation.pipeline.get_document(DocumentId("default", 0, 0), 0, 5, 30.0)
                    )
                    link = generation.replica_sets[0].replicas[0].link
                    await until(lambda: link.calls_in_flight > 0)
                    call.cancel()
                    await asyncio.gather(call, return_exceptions=True)
                    await asyncio.sleep(0)
                    assert link.calls_in_flight == 0
                # grpc.aio's own tasks take a moment to end.
                ours = asyncio.current_task()
                await until(
                    lambda: {one.get_name() for one in asyncio.all_tasks() - {ours}} == {f"watch {frozen.address}"}
                )

    asyncio.run(run())


def test_a_server_that_accepts_and_says_nothing_is_unreachable(index: Path, tmp_path: Path) -> None:
    async def run() -> str:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            cluster = cluster_of(tmp_path, index, f"127.0.0.1:{silent.getsockname()[1]}")
            async with generations(cluster, connect_timeout_ms=1) as served, served.current() as generation:
                link = generation.replica_sets[0].replicas[0].link
                await until(lambda: link.state.kind == "unreachable")
                began = time.perf_counter()
                with pytest.raises(ShardUnavailableError) as raised:
                    await generation.pipeline.get_document(DocumentId("default", 0, 0), 0, 5, DEADLINE_S)
                assert time.perf_counter() - began < NO_HANG_S
                return str(raised.value)

    assert "no replica of default:0 answered: 127.0.0.1:" in asyncio.run(run())
