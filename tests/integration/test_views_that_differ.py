"""Servers that leave out other documents than a coordinator expects: by another's list, or as the index has changed."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest

from coordinator.errors import CoordinatorError, DocumentNotFoundError
from coordinator.requests import CountRequest
from coordinator.service import Coordinator
from coordinator.takedowns import Takedown
from coordinator.values import DocumentId
from indexing.living.remove import remove_documents
from tests.integration.trace_load import TEXTS
from tests.running_servers import coordinator, shard_server, until, unused_address
from tests.tiny_index import byte_level_tokenizer, write_index

# In a document of either shard.
TWICE = CountRequest(" near the river bank.")
FIRST = DocumentId("default", 0, 0)


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return write_index(tmp_path / "index", (TEXTS[:2], TEXTS[2:]), byte_level_tokenizer(TEXTS, 300))


async def counts(one: Coordinator, times: int = 8) -> set[int]:
    return {(await one.count(TWICE)).count for _ in range(times)}


def test_a_document_is_not_read_from_a_server_that_obeys_anothers_list_of_the_same_number(
    index: Path, tmp_path: Path
) -> None:
    async def run() -> None:
        async with contextlib.AsyncExitStack() as running:
            address = await running.enter_async_context(shard_server(index))
            both: list[Coordinator] = []
            for name in ("one", "other"):
                (tmp_path / name).mkdir()
                there: dict[str, Any] = {"takedown_file": tmp_path / name / "takedowns.json"}
                place = (address, address)
                both.append(await running.enter_async_context(coordinator(tmp_path / name, index, place, **there)))
            one, other = both
            assert (await one.add_takedowns([Takedown(document=str(FIRST))])).newly_withheld_documents == 1
            await other.add_takedowns([Takedown(document="default:1:1")])
            for _ in range(20):
                with pytest.raises((DocumentNotFoundError, CoordinatorError)):
                    await one.get_document(FIRST, timeout_ms=500)
                await asyncio.sleep(0.02)

    asyncio.run(run())


def test_a_coordinator_without_a_list_forgets_what_it_kept_when_others_take_something_down(
    index: Path, tmp_path: Path
) -> None:
    async def run() -> None:
        async with shard_server(index) as address:
            (tmp_path / "other").mkdir()
            place = (address, address)
            kept: dict[str, Any] = {"result_cache_bytes": 2**20, "reload_interval_s": 0.05}
            lists: dict[str, Any] = {"takedown_file": tmp_path / "takedowns.json"}
            async with (
                coordinator(tmp_path, index, place, **kept) as one,
                coordinator(tmp_path / "other", index, place, **lists) as other,
            ):
                assert await counts(one) == {2}
                await other.add_takedowns([Takedown(document=str(FIRST))])
                present = one._serving._answering.replica_sets[0].replicas[0]
                await until(lambda: present.view_id != "")
                assert await counts(one) == {1}

    asyncio.run(run())


@pytest.mark.parametrize("has_list", [True, False])
def test_of_replicas_those_that_opened_the_latest_index_are_asked_and_what_was_kept_is_forgotten(
    index: Path, tmp_path: Path, has_list: bool
) -> None:
    async def run() -> None:
        restarted = unused_address()
        settings: dict[str, Any] = {"result_cache_bytes": 2**20, "reload_interval_s": 0.05}
        if has_list:
            settings["takedown_file"] = tmp_path / "takedowns.json"
        async with shard_server(index) as stays, contextlib.AsyncExitStack() as first:
            await first.enter_async_context(shard_server(index, listen=restarted))
            places = ((stays, restarted), (stays, restarted))
            async with coordinator(tmp_path, index, places, **settings) as one:
                assert await counts(one) == {2}
                remove_documents(index, ids=["0:0"])
                await first.aclose()
                async with shard_server(index, listen=restarted):
                    await until(lambda: one._serving._answering.replica_sets[0].replicas[1].is_searchable)
                    assert await counts(one) == {1}
                    with pytest.raises(DocumentNotFoundError):
                        await one.get_document(FIRST)
                    sets = one._serving._answering.replica_sets
                    outdated, present = sets[0].replicas
                    assert (outdated.state(0.0), present.state(0.0)) == ("mismatched", "usable")
                    assert "another replica a later one, without other documents; restart it" in outdated.reason()
                    # Nothing was removed from the other shard.
                    assert [one.state(0.0) for one in sets[1].replicas] == ["usable", "usable"]

    asyncio.run(run())
