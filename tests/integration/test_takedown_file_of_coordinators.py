"""The takedown file and those who obey it: what was sent twice, and a file that has lost what is in force."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coordinator.cluster.takedown_file import TakedownFile
from coordinator.errors import ConfigurationError, CoordinatorError
from coordinator.requests import TraceRequest
from coordinator.takedowns import Takedown
from tests.integration.trace_load import ANSWER, OPTIONS, TEXTS
from tests.running_servers import coordinator, shard_server, until
from tests.tiny_index import byte_level_tokenizer, write_index

TAKEN_DOWN = (Takedown(id="first", document="default:0:0"), Takedown(id="second", document="default:1:1"))


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shards = (TEXTS[:2], TEXTS[2:])
    return write_index(tmp_path_factory.mktemp("index") / "index", shards, byte_level_tokenizer(TEXTS, 300))


def settings(directory: Path, **more: Any) -> dict[str, Any]:
    return {"takedown_file": directory / "takedowns.json", "connect_timeout_ms": 5_000, **more}


def test_a_server_with_a_later_list_than_the_file_is_not_asked_until_the_file_is_later(
    index: Path, tmp_path: Path
) -> None:
    async def run() -> None:
        async with shard_server(index) as address:
            places = (address, address)
            async with coordinator(tmp_path, index, places, **settings(tmp_path)) as one:
                await one.add_takedowns(TAKEN_DOWN)
                await one.lift_takedowns([TAKEN_DOWN[0].id])
                await one.add_takedowns(TAKEN_DOWN)
            file = tmp_path / "takedowns.json"
            file.unlink()
            with pytest.raises(ConfigurationError, match="found no file, and takedowns number 3 was written here"):
                async with coordinator(tmp_path, index, places, **settings(tmp_path)):
                    pass
            (tmp_path / "takedowns.json.lock").unlink()  # now nothing tells but the servers
            async with coordinator(tmp_path, index, places, **settings(tmp_path, connect_timeout_ms=300)) as one:
                with pytest.raises(CoordinatorError):
                    await one.trace(TraceRequest(ANSWER, options=OPTIONS), timeout_ms=500)
                assert "found takedowns number 3, expected 0" in (await one.list_takedowns()).state.replicas[0].problem
                with pytest.raises(ConfigurationError, match=r"takedowns number 3 is in force; restore .* --above 3"):
                    await one.add_takedowns(TAKEN_DOWN[:1])
                TakedownFile(file).renumber(above=3)
                added = await one.add_takedowns(TAKEN_DOWN[:1])
                assert added.state.epoch == 5
                assert [replica.problem for replica in added.state.replicas] == ["", ""]
                assert (await one.trace(TraceRequest(ANSWER, options=OPTIONS))).coverage.complete

    asyncio.run(run())


def test_a_change_of_the_file_by_hand_is_in_the_audit_log(index: Path, tmp_path: Path) -> None:
    audit = tmp_path / "audit.log"

    def epochs() -> list[int]:
        records = map(json.loads, audit.read_text().splitlines())
        return [record["epoch"] for record in records if record.get("event") == "takedowns in force"]

    async def run() -> None:
        async with (
            shard_server(index) as address,
            coordinator(tmp_path, index, (address, address), **settings(tmp_path, audit_log=audit)) as one,
        ):
            await one.add_takedowns(TAKEN_DOWN)
            assert epochs() == [0, 1]
            TakedownFile(tmp_path / "takedowns.json").change(lambda before: before[:1])
            await until(lambda: epochs() == [0, 1, 2])
        last = json.loads(audit.read_text().splitlines()[-1])
        assert [one["id"] for one in last["ended"]] == ["second"]
        assert (last["added"], last["replicas"], last["obeying"], last["withheld_documents"]) == ([], 2, 2, 1)

    asyncio.run(run())


def test_a_takedown_that_is_sent_twice_is_one(index: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            shard_server(index) as address,
            coordinator(tmp_path, index, (address, address), **settings(tmp_path)) as one,
        ):
            asked = [replace(each, id="", reason="request 17") for each in (*TAKEN_DOWN, TAKEN_DOWN[0])]
            first = await one.add_takedowns(asked)
            again = await one.add_takedowns(asked)
            assert again.takedowns == first.takedowns
            assert (again.state.epoch, len(again.takedowns)) == (1, 2)
            assert len({each.id for each in again.takedowns}) == 2
            other = await one.add_takedowns([replace(asked[0], reason="request 18")])
            assert len((await one.list_takedowns()).takedowns) == 3, "each request can be lifted by itself"
            await one.lift_takedowns([other.takedowns[0].id])
            assert (await one.list_takedowns()).takedowns == tuple(sorted(first.takedowns, key=lambda each: each.id))

    asyncio.run(run())


def test_nothing_is_added_to_a_file_that_has_lost_what_is_in_force(index: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            shard_server(index) as address,
            coordinator(tmp_path, index, (address, address), **settings(tmp_path)) as one,
        ):
            await one.add_takedowns(TAKEN_DOWN[:1])
            (tmp_path / "takedowns.json").unlink()
            with pytest.raises(ConfigurationError, match="restore the file"):
                await one.add_takedowns(TAKEN_DOWN[1:])
            assert [each.id for each in (await one.list_takedowns()).takedowns] == ["first"]

    asyncio.run(run())


def test_nothing_is_added_to_a_lost_file_after_another_generation_was_rolled_out(index: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    files = (tmp_path / "takedowns.json", tmp_path / "takedowns.json.lock")
    texts = [*reversed(TEXTS)]
    next_index = write_index(tmp_path / "next", (texts[:2], texts[2:]), byte_level_tokenizer(TEXTS, 300))

    async def run() -> None:
        async with (
            shard_server(index, state_dir=state) as address,
            coordinator(tmp_path, index, (address, address), **settings(tmp_path)) as one,
        ):
            await one.add_takedowns(TAKEN_DOWN[:1])
            await one.add_takedowns(TAKEN_DOWN[1:])
        for file in files:
            file.unlink()
        async with (
            shard_server(next_index, state_dir=state) as address,
            coordinator(tmp_path, next_index, (address, address), **settings(tmp_path, connect_timeout_ms=300)) as one,
        ):
            with pytest.raises(ConfigurationError, match=r"takedowns number 2 is in force; restore"):
                await one.add_takedowns([Takedown(domain="example.org")])
            with pytest.raises(CoordinatorError):
                await one.trace(TraceRequest(ANSWER, options=OPTIONS), timeout_ms=500)

    asyncio.run(run())
