"""A shard server that starts again takes what it kept of its views, and obeys its list whatever became of that."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from index_format.removed_documents import DocumentNumbers
from index_format.takedowns import view_id
from protos.shard.v1 import shard_pb2 as pb
from shard_server import views
from shard_server.config import ShardServerConfig
from shard_server.shards import open_shards
from tests.integration.test_takedown_shard_server import SHARDS, content, document, search, set_takedowns
from tests.running_servers import shard_server, stub_of
from tests.tiny_index import write_index


@pytest.mark.parametrize("after", ["stopped", "list changed", "file lost", "file damaged", "all lifted"])
def test_a_start_takes_what_was_kept_of_the_views_and_obeys_the_list_in_any_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    index, state = write_index(tmp_path / "index", SHARDS, accelerated=True), tmp_path / "state"
    config = ShardServerConfig(index=index, state_dir=state)
    path = state / "view_00000.bin"
    bird = pb.Takedown(id="bird", content=content(SHARDS[0][2]))

    async def ask(*lists: Sequence[pb.Takedown]) -> tuple[Any, Any]:
        async with shard_server(index, state_dir=state) as address, stub_of(address) as stub:
            for number, takedowns in enumerate(lists, start=3):
                await set_takedowns(stub, number, *takedowns)
            return await search(stub, index, "the cat sat"), await search(stub, index, "the cat sat", shard=1)

    kept = asyncio.run(ask([document(index, 0, 0), bird]))
    written = path.read_bytes()
    if after == "list changed":  # and the server died before it kept the views
        kept = asyncio.run(ask([document(index, 0, 0), document(index, 0, 1)]))
        path.write_bytes(written)
    elif after == "file lost":
        path.unlink()
    elif after == "file damaged":
        path.write_bytes(written[:-1] + bytes([written[-1] ^ 1]))
    elif after == "all lifted":
        kept = asyncio.run(ask([]))
    if after in ("stopped", "all lifted"):
        with monkeypatch.context() as patch:
            for name in ("_with_contents", "_with_words"):
                patch.setattr("shard_server.takedowns.TakedownFinder." + name, None)
            made = views.ShardViews._without
            steps = []

            def without(view: views.ShardView, documents: DocumentNumbers, num_threads: int = 0) -> views.ShardView:
                steps.append((view.view_id, view_id(documents)))
                return made(view, documents, num_threads)

            patch.setattr(views.ShardViews, "_without", staticmethod(without))
            opened = open_shards(config)
            # Whatever a view was made of, it was that view already.
            assert all(before == wanted for before, wanted in steps)
            assert opened.views.view(0).num_withheld == (0 if after == "all lifted" else 2)
    assert asyncio.run(ask()) == kept
    # It is kept again, so that the next start has it.
    assert open_shards(config).views.view(0).view_id == kept[0].view_id
    assert path.is_file()


def test_a_list_older_than_that_of_the_generation_before_is_refused(tmp_path: Path) -> None:
    index, state = write_index(tmp_path / "index", SHARDS), tmp_path / "state"
    next_index = write_index(tmp_path / "next", [[*reversed(SHARDS[0])]])

    async def run(directory: Path, epoch: int) -> None:
        async with shard_server(directory, state_dir=state) as address, stub_of(address) as stub:
            await set_takedowns(stub, epoch, pb.Takedown(id="bird", content=content(SHARDS[0][2])))

    asyncio.run(run(index, 9))
    with pytest.raises(grpc.aio.AioRpcError, match="list 8 of takedowns is older than list 9, which is kept here"):
        asyncio.run(run(next_index, 8))
    asyncio.run(run(next_index, 10))
