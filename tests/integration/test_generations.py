"""Another cluster file, or another index, while traces run: each answer is of one generation, and none is lost."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import headwater
from coordinator.cluster.serving import Serving
from coordinator.cluster.takedown_file import TakedownFile
from coordinator.errors import ConfigurationError
from coordinator.results import Trace
from coordinator.values import ShardId
from index_format.manifest import IndexManifest
from tests.integration.trace_load import ANSWER, OPTIONS, REQUEST, TEXTS, traces, untimed
from tests.running_servers import generations, shard_server, until, unused_address, write_cluster_file
from tests.tiny_index import byte_level_tokenizer, write_index
from tests.unit.coordinator.cluster.fake_servers import Recorder

NEW_TEXTS = (*TEXTS[1:], "They say the quick brown fox has gone over the old stone bridge.")


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_index(
        tmp_path_factory.mktemp("old") / "index", [TEXTS[:2], TEXTS[2:]], byte_level_tokenizer(TEXTS, 300)
    )


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tokenizer = byte_level_tokenizer(TEXTS, 300)
    return write_index(tmp_path_factory.mktemp("new") / "index", [NEW_TEXTS[:2], NEW_TEXTS[2:]], tokenizer)


def expected(index: Path) -> Trace:
    with headwater.open(index) as opened:
        return untimed(opened.trace(ANSWER, REQUEST.prompt, OPTIONS))


async def answer(served: Serving) -> Trace:
    async with served.current() as generation:
        return untimed(await generation.pipeline.trace(REQUEST, 10.0))


def index_id(served: Serving) -> str:
    ((_, _, found, _),) = served._answering.key
    return found


class Server:
    """A shard server at one address that can be restarted with another index."""

    def __init__(self, index: Path):
        self.address = unused_address()
        self._index = index
        self._running = contextlib.AsyncExitStack()

    async def start(self) -> None:
        await self._running.enter_async_context(shard_server(self._index, listen=self.address))

    async def stop(self) -> None:
        await self._running.aclose()

    async def restart(self, index: Path) -> None:
        await self.stop()
        self._index = index
        await self.start()


@contextlib.asynccontextmanager
async def servers(index: Path, number: int) -> AsyncIterator[list[Server]]:
    started = [Server(index) for _ in range(number)]
    try:
        for server in started:
            await server.start()
        yield started
    finally:
        for server in started:
            await server.stop()


def cluster_of(directory: Path, index: Path, found: list[Server]) -> Path:
    addresses = [server.address for server in found]
    return write_cluster_file(directory / "cluster.yaml", index, [addresses, addresses])


async def until_replicas(served: Serving, number: int) -> None:
    """Returns when every shard has so many replicas that can be searched."""
    await until(
        lambda: all(
            sum(one.is_searchable for one in shard.replicas) == number for shard in served._answering.replica_sets
        )
    )


def test_a_replica_that_is_added_to_the_file_is_used_and_one_that_is_gone_is_not(old: Path, tmp_path: Path) -> None:
    async def run() -> None:
        recorder: Any = Recorder()
        async with servers(old, 2) as (first, second):
            cluster = cluster_of(tmp_path, old, [first])
            async with generations(cluster, recorder, reload_interval_s=0.05) as served:
                before = await answer(served)
                cluster_of(tmp_path, old, [second])
                await until(lambda: bool(recorder.of("reload_finished")))
                await until(lambda: recorder.of("reload_finished")[-1] == ["applied"])
                await first.stop()
                assert await answer(served) == before
                removed = recorder.of("replica_removed")
                assert removed == [[ShardId("default", shard), first.address] for shard in (0, 1)]

    asyncio.run(run())


@pytest.mark.parametrize("is_in_place", [False, True], ids=["another folder", "the same folder"])
def test_a_rolling_swap_loses_no_request_and_mixes_no_answer(
    old: Path, new: Path, tmp_path: Path, is_in_place: bool
) -> None:
    async def run() -> None:
        recorder: Any = Recorder()
        served_index = tmp_path / "served"
        shutil.copytree(old, served_index)
        async with servers(old, 3) as found:
            cluster = cluster_of(tmp_path, served_index, found)
            async with generations(cluster, recorder, reload_interval_s=0.05) as served, traces(served) as load:
                await until_replicas(served, 3)
                await load.more(30)
                for number, server in enumerate(found):
                    await server.restart(new)
                    if number == 0:
                        # The file is behind the servers: the new one is not asked for anything.
                        await load.more(30)
                        assert all(one == old_answer for one in load.answers)
                        if is_in_place:
                            beside = served_index / "index.json.tmp"
                            shutil.copy(new / "index.json", beside)
                            beside.replace(served_index / "index.json")
                        else:
                            cluster_of(tmp_path, new, found)
                        await until(lambda: ["applied"] in recorder.of("reload_finished"))
                    await load.more(30)
                await until_replicas(served, 3)
                await load.more(30)
                num_last = 30
            assert load.errors == []
            assert {one in (old_answer, new_answer) for one in load.answers} == {True}
            assert all(one == new_answer for one in load.answers[-num_last:])
            first_new = load.answers.index(new_answer)
            # A trace that began before the swap may end a little later than the first of the new ones.
            assert all(one == new_answer for one in load.answers[first_new + 8 :])

    old_answer, new_answer = expected(old), expected(new)
    assert old_answer != new_answer
    asyncio.run(run())


def test_the_new_index_waits_until_as_much_can_be_searched(old: Path, new: Path, tmp_path: Path) -> None:
    async def run() -> None:
        recorder: Any = Recorder()
        async with servers(old, 2) as found:
            cluster = cluster_of(tmp_path, old, found)
            async with generations(cluster, recorder, reload_interval_s=0.05) as served:
                old_id = index_id(served)
                cluster_of(tmp_path, new, found)
                await until(lambda: ["waiting"] in recorder.of("reload_finished"))
                assert (await answer(served)) == expected(old)
                assert index_id(served) == old_id
                await found[0].restart(new)
                await until(lambda: index_id(served) != old_id)
                assert (await answer(served)) == expected(new)

    asyncio.run(run())


def test_when_the_servers_of_the_old_index_are_gone_the_new_one_takes_over(
    old: Path, new: Path, tmp_path: Path
) -> None:
    async def run() -> None:
        recorder: Any = Recorder()
        async with servers(old, 2) as found:
            places = [found[0].address, found[1].address]
            cluster = write_cluster_file(tmp_path / "cluster.yaml", old, places)
            async with generations(cluster, recorder, reload_interval_s=0.05) as served:
                old_id = index_id(served)
                write_cluster_file(cluster, new, places)
                await until(lambda: ["waiting"] in recorder.of("reload_finished"))
                await found[0].restart(new)
                await until(lambda: index_id(served) != old_id or served.share_searchable() < 1)
                await found[1].restart(new)
                await until(lambda: index_id(served) != old_id and served.share_searchable() == 1)
                assert (await answer(served)) == expected(new)

    asyncio.run(run())


def test_a_shard_that_is_lost_in_both_generations_holds_nothing_up(old: Path, new: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with servers(new, 2) as found:
            places = [server.address for server in found]
            cluster = write_cluster_file(tmp_path / "cluster.yaml", new, [places, unused_address()])
            async with generations(cluster, connect_timeout_ms=200) as served:
                first_id = index_id(served)
                # The shard that is left is a smaller share of the index that comes than of the one that goes.
                write_cluster_file(cluster, old, [places, unused_address()])
                await served.reload()
                assert index_id(served) == first_id
                await found[1].restart(old)
                async with asyncio.timeout(60):
                    while index_id(served) == first_id:
                        await asyncio.sleep(0.02)
                        await served.reload()
                assert served.share_searchable() < share_of(new)

    def share_of(index: Path) -> float:
        manifest = IndexManifest.load(index)
        return manifest.load_shard(index, 0).num_tokens / manifest.num_tokens

    assert share_of(old) < share_of(new)
    asyncio.run(run())


def test_a_file_with_a_fault_changes_nothing_and_is_told_once(
    old: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> Any:
        recorder: Any = Recorder()
        async with servers(old, 1) as found:
            cluster = cluster_of(tmp_path, old, found)
            good = cluster.read_text()
            async with generations(cluster, recorder) as served:
                before = await answer(served)
                for content in ("corpora: [", good.replace("shard: 1", "shard: 7"), good.replace("index", "indx")):
                    cluster.write_text(content)
                    for _ in range(3):
                        await served.reload()
                cluster.unlink()
                await served.reload()
                assert await answer(served) == before
                assert recorder.of("reload_settled") == []
                cluster.write_text(good)
                for _ in range(3):
                    await served.reload()
                return recorder

    recorder = asyncio.run(run())
    assert recorder.of("reload_finished") == [["refused"]] * 4
    assert recorder.of("reload_settled") == [[]]
    reasons = [record.__dict__["reason"] for record in caplog.records if record.message == "reload not done"]
    assert ["cannot read" in reasons[0], "shards [0, 7]" in reasons[1], "indx: unknown" in reasons[2]] == [True] * 3


def test_a_takedown_file_with_a_fault_is_told_until_it_is_mended(old: Path, tmp_path: Path) -> None:
    async def run() -> list[Any]:
        recorder: Any = Recorder()
        takedowns = TakedownFile(tmp_path / "takedowns.json")
        takedowns.change(lambda _: (), may_be_first=True)
        async with servers(old, 1) as found:
            cluster = cluster_of(tmp_path, old, found)
            async with generations(cluster, recorder, takedown_file=takedowns.path) as served:
                good = takedowns.path.read_bytes()
                for content in (good, b"{", good):
                    takedowns.path.write_bytes(content)
                    await served.follow_takedowns()
                    recorder.told.append(("looked",))
                return [values for name, *values in recorder.told if name in ("takedown_file_read", "looked")]

    # The watch looks by itself, too: what counts is what was told last before each look of ours ended.
    told = asyncio.run(run())
    assert [told[at - 1] for at, values in enumerate(told) if not values] == [[True], [False], [True]]


def test_a_new_index_that_is_taken_back_leaves_the_old_one(old: Path, new: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with servers(old, 1) as found:
            cluster = cluster_of(tmp_path, old, found)
            async with generations(cluster) as served:
                old_id = index_id(served)
                cluster_of(tmp_path, new, found)
                await served.reload()
                cluster_of(tmp_path, old, found)
                await served.reload()
                assert served._next is None
                await found[0].restart(new)
                await served.reload()
                assert index_id(served) == old_id

    asyncio.run(run())


def test_two_looks_at_once_connect_one_generation(old: Path, new: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with servers(old, 1) as found:
            cluster = cluster_of(tmp_path, old, found)
            async with generations(cluster) as served:
                cluster_of(tmp_path, new, found)
                await asyncio.gather(*(served.reload() for _ in range(5)))
                assert {address: shared.num_users for address, shared in served._pool._links.items()} == {
                    found[0].address: 2
                }
            assert served._pool._links == {}

    asyncio.run(run())


def test_a_request_ends_on_the_generation_it_began_on(old: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with servers(old, 2) as (first, second):
            cluster = cluster_of(tmp_path, old, [first])
            async with generations(cluster) as served:
                async with served.current() as generation:
                    cluster_of(tmp_path, old, [second])
                    await served.reload()
                    await until_taken_over(served, generation)
                    trace = untimed(await generation.pipeline.trace(REQUEST, 10.0))
                    assert trace.coverage.complete
                    assert set(served._pool._links) == {first.address, second.address}
                await until(lambda: set(served._pool._links) == {second.address})

    asyncio.run(run())


def test_requests_that_do_not_end_are_cut_off_after_the_bound(old: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with servers(old, 2) as (first, second):
            cluster = cluster_of(tmp_path, old, [first])
            async with generations(cluster, retire_timeout_ms=50) as served, served.current() as generation:
                cluster_of(tmp_path, old, [second])
                await served.reload()
                await until_taken_over(served, generation)
                await until(lambda: set(served._pool._links) == {second.address})
                with pytest.raises(Exception, match="no shard answered"):
                    await generation.pipeline.trace(REQUEST, 10.0)

    asyncio.run(run())


async def until_taken_over(served: Serving, generation: Any) -> None:
    while served._answering is generation:
        await asyncio.sleep(0.02)
        await served.reload()


def test_a_start_in_the_middle_of_a_swap_uses_the_servers_that_fit(old: Path, new: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with servers(old, 1) as (first,), servers(new, 1) as (second,):
            cluster = cluster_of(tmp_path, new, [first, second])
            async with generations(cluster) as served:
                assert await answer(served) == expected(new)

    asyncio.run(run())


def test_a_start_without_any_server_that_fits_is_refused(old: Path, new: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with servers(old, 2) as found, generations(cluster_of(tmp_path, new, found)):
            pass

    with pytest.raises(
        ConfigurationError, match=r"no server of shard default:0 .*found index_id .*; 127.*found index_id"
    ):
        asyncio.run(run())
