"""Lists of takedowns follow one another while others search: every answer is one of a single list, on every replica."""

import asyncio
import random
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from index_format.takedowns import view_id
from protos.shard.v1 import shard_pb2 as pb
from tests.integration.shard_calls import id_of, u32
from tests.running_servers import shard_server, stub_of, until
from tests.tiny_index import write_index

TEXTS = [" ".join(random.Random(number).choices(["cat", "dog", "mat", "sat", "the"], k=12)) for number in range(40)]
QUERY = TEXTS[3] + " " + TEXTS[11]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_index(tmp_path_factory.mktemp("index"), [TEXTS], accelerated=True)


def lists() -> list[list[int]]:
    """Returns the documents of some lists, distinct one from the next."""
    chooser = random.Random(5)
    return [sorted(chooser.sample(range(len(TEXTS)), chooser.choice([1, 2, 10, 30]))) for _ in range(24)]


def takedown(index_id: str, number: int) -> pb.Takedown:
    return pb.Takedown(id=f"d-{number}", document=pb.DocumentTarget(index_id=index_id, shard=0, number=number))


async def search(stub: Any, index_id: str) -> Any:
    token_ids = QUERY.encode()
    starts = u32(*range(len(token_ids)))
    return await stub.LongestMatches(
        pb.LongestMatchesRequest(index_id=index_id, token_ids=u32(*token_ids), word_starts=starts)
    )


async def windows(stub: Any, index_id: str, found: Any) -> Any:
    lengths = np.frombuffer(found.ends, "<u4") - np.frombuffer(found.starts, "<u4")
    request = pb.GetWindowsRequest(
        index_id=index_id,
        ranks=found.rank_starts,
        lengths=lengths.astype("<u4").tobytes(),
        context_tokens=200,
        view_id=found.view_id,
    )
    return await stub.GetWindows(request)


def test_every_answer_is_of_one_list_and_windows_never_of_another(index: Path) -> None:
    index_id = id_of(index)
    names = {view_id(np.array(numbers, dtype=np.uint64)): numbers for numbers in lists()} | {"": []}
    answers: dict[str, set[bytes]] = {}
    asked = 0

    async def keep_searching(stubs: list[Any], end: asyncio.Event, seed: int) -> None:
        nonlocal asked
        chooser = random.Random(seed)
        while not end.is_set():
            found = await search(chooser.choice(stubs), index_id)
            answers.setdefault(found.view_id, set()).add(found.SerializeToString(deterministic=True))
            withheld = set(names[found.view_id])
            # Another replica than that of the search, as a hedge would be: it may be ahead or behind.
            try:
                shown = await windows(chooser.choice(stubs), index_id, found)
            except grpc.aio.AioRpcError as error:
                assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
                assert (error.details() or "").startswith("view_id ")
                continue
            asked += 1
            assert withheld.isdisjoint(np.frombuffer(shown.documents, "<u8").tolist())
            assert all(text in TEXTS for text in shown.texts)

    async def change(stub: Any) -> None:
        for epoch, numbers in enumerate(lists(), start=1):
            takedowns = [takedown(index_id, number) for number in numbers]
            await stub.SetTakedowns(pb.SetTakedownsRequest(epoch=epoch, takedowns=takedowns))
            found = await search(stub, index_id)  # begun after the answer
            assert found.view_id == view_id(np.array(numbers, dtype=np.uint64))
            wanted = asked + 2
            await until(lambda: asked >= wanted)  # noqa: B023 - it is over before the next is wanted

    async def change_both(stubs: list[Any], end: asyncio.Event) -> None:
        await asyncio.gather(*map(change, stubs))
        end.set()

    async def run() -> None:
        async with (
            shard_server(index) as first,
            shard_server(index) as second,
            stub_of(first) as one,
            stub_of(second) as two,
        ):
            end = asyncio.Event()
            searches = [keep_searching([one, two], end, seed) for seed in range(4)]
            await asyncio.gather(change_both([one, two], end), *searches)

    asyncio.run(run())
    assert all(len(of_view) == 1 for of_view in answers.values())
    assert len(answers) > 5
