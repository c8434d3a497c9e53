"""Takedowns at shard servers over real gRPC: obeyed by every call, kept over restarts, alike on replicas."""

import asyncio
import hashlib
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from index_format.manifest import IndexManifest
from index_format.removed_documents import save_removed
from index_format.takedowns import view_id
from protos.shard.v1 import shard_pb2 as pb
from shard_server import takedown_store, views
from shard_server.config import ShardServerConfig
from shard_server.errors import TakedownStoreError
from shard_server.metrics import Metrics
from shard_server.shards import OpenShards, open_shards
from shard_server.takedowns import Takedowns
from tests.integration.shard_calls import SlowShard, id_of, slow_document, status_of, u32
from tests.running_servers import shard_server, stub_of
from tests.tiny_index import write_index

SHARDS = (
    ["the cat sat on the mat", "the dog sat on the log", "a bird sang to the cat"],
    ["the cat sat on the hill", "the dog sat on the log"],
)


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return write_index(tmp_path / "index", SHARDS, accelerated=True)


def content(text: str) -> pb.ContentTarget:
    token_ids = np.array(list(text.encode()), dtype="<u4")
    return pb.ContentTarget(sha256=hashlib.sha256(token_ids.tobytes()).hexdigest(), num_tokens=len(token_ids))


def document(index: Path, shard: int, number: int) -> pb.Takedown:
    target = pb.DocumentTarget(
        index_id=id_of(index), shard=shard, number=number, content=content(SHARDS[shard][number])
    )
    return pb.Takedown(id=f"d-{shard}-{number}", document=target)


def name_of(*numbers: int) -> str:
    return view_id(np.array(numbers, dtype=np.uint64))


async def set_takedowns(stub: Any, epoch: int, *takedowns: pb.Takedown) -> list[tuple[str, int, int]]:
    response = await stub.SetTakedowns(pb.SetTakedownsRequest(epoch=epoch, takedowns=takedowns))
    return [(shard.view_id, shard.withheld_documents, shard.takedown_epoch) for shard in response.shards]


async def search(stub: Any, index: Path, text: str, shard: int = 0) -> Any:
    token_ids = text.encode()
    return await stub.LongestMatches(
        pb.LongestMatchesRequest(
            shard=shard, index_id=id_of(index), token_ids=u32(*token_ids), word_starts=u32(*range(len(token_ids)))
        )
    )


def found(response: Any) -> list[tuple[int, int, int]]:
    """Returns start, end and count of each match."""
    arrays = [np.frombuffer(getattr(response, name), "<u4").tolist() for name in ("starts", "ends")]
    ranks = [np.frombuffer(getattr(response, name), "<u8") for name in ("rank_starts", "rank_ends")]
    return list(zip(*arrays, (ranks[1] - ranks[0]).tolist(), strict=True))


async def windows(stub: Any, index: Path, response: Any, view: str) -> Any:
    """Asks for the first occurrence of the first match."""
    start, end, _ = found(response)[0]
    ranks = response.rank_starts[:8]
    request = pb.GetWindowsRequest(
        index_id=id_of(index), ranks=ranks, lengths=u32(end - start), context_tokens=100, view_id=view
    )
    return await stub.GetWindows(request)


async def refusal(call: Any) -> tuple[str, str]:
    code, details = await status_of(call)
    return code.name, details


def test_every_call_is_as_if_the_document_had_never_been_there(index: Path) -> None:
    async def run() -> None:
        async with shard_server(index) as address, stub_of(address) as stub:
            before = await search(stub, index, "cat sat on the")
            assert found(before) == [(0, 14, 1)]
            assert (before.view_id, before.withheld, before.withheld_elsewhere) == ("", b"", 0)
            states = await set_takedowns(stub, 1, document(index, 0, 0))
            assert states == [(name_of(0), 1, 1), ("", 0, 1)]
            after = await search(stub, index, "cat sat on the")
            assert after.view_id == name_of(0)
            # " sat on the" is in the dog's document, too; that all of "cat" goes with it was so in one place before.
            assert (3, 14, 1) in found(after)
            assert (0, 14, 1) not in found(after)
            assert len(after.withheld) == len(after.rank_starts)
            assert after.num_tokens == before.num_tokens - len(SHARDS[0][0]) - 1
            assert found(await search(stub, index, "cat sat on the", shard=1)) == [(0, 14, 1)]
            request = pb.GetDocumentRequest(index_id=id_of(index), document=0, max_tokens=5)
            code, details = await refusal(stub.GetDocument(request))
            assert (code, "document 0 was withdrawn" in details) == ("NOT_FOUND", True)
            request.document = 1
            assert (await stub.GetDocument(request)).text == "the d"
            described = await stub.Describe(pb.DescribeRequest())
            assert [(s.view_id, s.withheld_documents, s.takedown_epoch, s.num_documents) for s in described.shards] == [
                (name_of(0), 1, 1, 3),
                ("", 0, 1, 2),
            ]
            assert await set_takedowns(stub, 2) == [("", 0, 2), ("", 0, 2)]
            assert await search(stub, index, "cat sat on the") == before

    asyncio.run(run())


def test_a_content_concerns_all_shards_and_a_source_may_empty_them(index: Path) -> None:
    async def run() -> None:
        async with shard_server(index) as address, stub_of(address) as stub:
            states = await set_takedowns(stub, 1, pb.Takedown(id="log", content=content(SHARDS[0][1])))
            assert [view for view, _, _ in states] == [name_of(1), name_of(1)]
            everything = await set_takedowns(stub, 2, pb.Takedown(id="all", source="tiny"))
            assert everything == [(name_of(0, 1, 2), 3, 2), (name_of(0, 1), 2, 2)]
            response = await search(stub, index, "the dog")
            assert (found(response), response.num_tokens, response.withheld_elsewhere) == ([], 0, 1)

    asyncio.run(run())


def test_windows_of_the_view_before_are_answered_for_a_while_and_of_no_other(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with shard_server(index) as address, stub_of(address) as stub:
            first = await search(stub, index, "the dog sat")
            await set_takedowns(stub, 1, document(index, 0, 0))
            assert (await windows(stub, index, first, "")).texts == [SHARDS[0][1]]
            # A list that changes nothing here does not use the view before up.
            await set_takedowns(stub, 2, document(index, 0, 0), document(index, 1, 0))
            assert (await windows(stub, index, first, "")).texts == [SHARDS[0][1]]
            second = await search(stub, index, "the dog sat")
            assert (await windows(stub, index, second, second.view_id)).texts == [SHARDS[0][1]]
            code, details = await refusal(windows(stub, index, first, "another"))
            assert (code, details.startswith("view_id 'another' of shard 0")) == ("FAILED_PRECONDITION", True)
            await set_takedowns(stub, 3, document(index, 0, 2))
            assert (await refusal(windows(stub, index, first, "")))[0] == "FAILED_PRECONDITION"
            monkeypatch.setattr(views, "KEPT_S", 0.0)
            await set_takedowns(stub, 4)
            assert (await refusal(windows(stub, index, second, name_of(2))))[0] == "FAILED_PRECONDITION"

    asyncio.run(run())


def test_an_older_list_is_refused_and_an_equal_one_costs_nothing(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with shard_server(index, state_dir=tmp_path / "state") as address, stub_of(address) as stub:
            states = await set_takedowns(stub, 7, document(index, 0, 0))
            code, details = await refusal(set_takedowns(stub, 6))
            assert (code, "older than list 7" in details) == ("FAILED_PRECONDITION", True)
            with monkeypatch.context() as patch:
                patch.setattr(views.ShardViews, "replace", None)
                assert await set_takedowns(stub, 7, document(index, 0, 0)) == states
            assert (await set_takedowns(stub, 7, document(index, 0, 1)))[0] == (name_of(1), 1, 7)

    asyncio.run(run())


@pytest.mark.parametrize(
    "takedown",
    [
        pb.Takedown(id="newer"),
        pb.Takedown(id="a", domain="https://example.org/"),
        pb.Takedown(id="a/b", url="https://example.org/"),
        pb.Takedown(id="a", content=pb.ContentTarget(sha256="short", num_tokens=1)),
        pb.Takedown(id="a", document=pb.DocumentTarget(shard=1)),
    ],
)
def test_a_list_with_what_is_unknown_changes_nothing(index: Path, takedown: pb.Takedown) -> None:
    async def run() -> None:
        async with shard_server(index) as address, stub_of(address) as stub:
            kept = await set_takedowns(stub, 1, document(index, 0, 0))
            assert (await refusal(set_takedowns(stub, 2, document(index, 0, 1), takedown)))[0] == "INVALID_ARGUMENT"
            described = await stub.Describe(pb.DescribeRequest())
            assert [(s.view_id, s.withheld_documents, s.takedown_epoch) for s in described.shards] == kept
            assert (await refusal(set_takedowns(stub, 0)))[0] == "INVALID_ARGUMENT"

    asyncio.run(run())


def test_replicas_and_a_restart_give_the_same_answers(index: Path, tmp_path: Path) -> None:
    async def ask(state_dir: Path, *takedowns: pb.Takedown) -> tuple[Any, Any]:
        async with shard_server(index, state_dir=state_dir) as address, stub_of(address) as stub:
            if takedowns:
                await set_takedowns(stub, 3, *takedowns)
            response = await search(stub, index, "the cat sat on the dog")
            return response, await windows(stub, index, response, response.view_id)

    takedowns = [document(index, 0, 0), pb.Takedown(id="bird", content=content(SHARDS[0][2]))]
    first = asyncio.run(ask(tmp_path / "one", *takedowns))
    second = asyncio.run(ask(tmp_path / "two", *reversed(takedowns)))
    assert first == second == asyncio.run(ask(tmp_path / "one"))
    assert first[0].view_id == name_of(0, 2)
    assert (tmp_path / "one" / takedown_store.TAKEDOWNS_FILE).stat().st_mode & 0o777 == 0o600


def test_another_generation_obeys_by_content_and_takes_no_older_list(index: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    next_index = write_index(tmp_path / "next", [[*reversed(SHARDS[0])]])

    async def run(directory: Path, *takedowns: pb.Takedown) -> list[tuple[str, int, int]]:
        async with shard_server(directory, state_dir=state) as address, stub_of(address) as stub:
            if takedowns:
                return await set_takedowns(stub, 3, *takedowns)
            described = await stub.Describe(pb.DescribeRequest())
            return [(s.view_id, s.withheld_documents, s.takedown_epoch) for s in described.shards]

    scoped = document(index, 0, 0)
    scoped.index_ids.append(id_of(index))
    elsewhere = document(index, 0, 1)
    elsewhere.index_ids.append("another corpus")
    assert asyncio.run(run(index, scoped, elsewhere))[0] == (name_of(0), 1, 3)
    assert asyncio.run(run(next_index)) == [(name_of(2), 1, 3)]
    # It may be another corpus's index: then the list of this number is another one.
    assert asyncio.run(run(next_index, pb.Takedown(id="cat", content=content(SHARDS[0][1])))) == [(name_of(1), 1, 3)]


@pytest.mark.parametrize("damage", ["garbage", "deep", "no object", "cut", "changed", "newer"])
def test_a_server_does_not_start_with_a_list_that_it_cannot_obey(index: Path, tmp_path: Path, damage: str) -> None:
    config = ShardServerConfig(index=index, state_dir=tmp_path / "state")
    path = tmp_path / "state" / takedown_store.TAKEDOWNS_FILE

    async def keep() -> None:
        async with shard_server(index, state_dir=tmp_path / "state") as address, stub_of(address) as stub:
            await set_takedowns(stub, 3, document(index, 0, 0))

    asyncio.run(keep())
    written = path.read_bytes()
    damaged = {
        "garbage": b"\xff\x00",
        "deep": b'{"version": 1, "sha256": "", "list": ' + b"[" * 900 + b"]" * 900 + b"}",
        "no object": b'{"version": 1, "sha256": "", "list": 5}',
        "cut": written[:-5],
        "changed": written.replace(b'"number": 0', b'"number": 1'),
        "newer": written.replace(b'"version": 1', b'"version": 2'),
    }
    path.write_bytes(damaged[damage])
    with pytest.raises(TakedownStoreError, match=rf"{path}: cannot be obeyed .*restore it, or remove it"):
        open_shards(config)
    path.write_bytes(written)
    assert open_shards(config).views.view(0).view_id == name_of(0)


def test_a_list_that_cannot_be_kept_is_not_obeyed(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async def run() -> None:
        async with shard_server(index, state_dir=tmp_path / "state") as address, stub_of(address) as stub:
            with monkeypatch.context() as patch:
                patch.setattr("shard_server.takedown_store.os.fsync", full)
                code, details = await refusal(set_takedowns(stub, 1, document(index, 0, 0)))
            assert (code, "No space left on device" in details) == ("INTERNAL", True)
            assert found(await search(stub, index, "cat sat on the")) == [(0, 14, 1)]
            assert await set_takedowns(stub, 1, document(index, 0, 0)) == [(name_of(0), 1, 1), ("", 0, 1)]

    asyncio.run(run())


def remove_from_index(index: Path, *removed: Sequence[int]) -> None:
    sha256 = save_removed(index, [np.array(numbers, dtype=np.uint64) for numbers in removed])
    total = sum(map(len, removed))
    replace(IndexManifest.load(index), removed_documents=total, removed_sha256=sha256).save(index)


def test_what_the_index_says_is_removed_is_never_served(index: Path) -> None:
    remove_from_index(index, [1], [0])

    async def run() -> None:
        async with shard_server(index, [1]) as address, stub_of(address) as stub:
            assert found(await search(stub, index, "the cat sat", shard=1))[0] != (0, 11, 1)
            assert await set_takedowns(stub, 1, document(index, 1, 1)) == [(name_of(0, 1), 2, 1)]
            assert await set_takedowns(stub, 2) == [(name_of(0), 1, 2)]

    asyncio.run(run())


def test_documents_are_found_with_their_content_also_when_withheld(index: Path) -> None:
    async def run() -> None:
        async with shard_server(index, max_window_tokens=25) as address, stub_of(address) as stub:
            takedown = document(index, 0, 1)
            await set_takedowns(stub, 1, takedown)
            request = pb.FindDocumentsRequest(
                index_id=id_of(index), takedown=takedown, max_documents=5, max_token_ids=3
            )
            response = await stub.FindDocuments(request)
            text = SHARDS[0][1]
            (only,) = response.documents
            assert (response.num_documents, only.number, only.num_tokens) == (1, 1, len(text))
            assert (only.content, only.token_ids) == (content(text), u32(*text.encode()[:3]))
            assert '"linenum": 1' in only.metadata
            request.takedown.Clear()
            request.takedown.source = "tiny"
            request.max_documents = 2
            request.max_token_ids = 15
            response = await stub.FindDocuments(request)
            # Over all documents 25, as the server is set.
            assert [len(document.token_ids) // 4 for document in response.documents] == [15, 10]
            assert (response.num_documents, [d.number for d in response.documents]) == (3, [0, 1])
            for name, wrong in (("max_documents", 0), ("shard", 9), ("min_copied_share", 1.5), ("index_id", "x")):
                bad = pb.FindDocumentsRequest()
                bad.CopyFrom(request)
                setattr(bad, name, wrong)
                assert (await refusal(stub.FindDocuments(bad)))[0] in ("INVALID_ARGUMENT", "FAILED_PRECONDITION")

    asyncio.run(run())


def test_near_copies_are_found_and_told_from_others(tmp_path: Path) -> None:
    original = "".join(random.Random(1).choices("abcdefgh", k=300))
    edited = original[:150] + "-------" + original[150:]
    half = "!" * 100 + original[:150] + "?" * 100
    index = write_index(tmp_path / "index", [[original, edited, half, "unrelated " * 30, original]])

    async def run(copied: bytes, *takedowns: pb.Takedown) -> list[tuple[int, float]]:
        async with shard_server(index) as address, stub_of(address) as stub:
            if takedowns:
                await set_takedowns(stub, 1, *takedowns)
            target = pb.DocumentTarget(index_id=id_of(index), shard=0, number=0)
            request = pb.FindDocumentsRequest(
                index_id=id_of(index),
                takedown=pb.Takedown(document=target),
                max_documents=10,
                min_copied_share=0.3,
                copied_token_ids=copied,
            )
            response = await stub.FindDocuments(request)
            return [(d.number, round(d.copied_share, 2)) for d in response.documents]

    copies = asyncio.run(run(b""))
    assert [number for number, _ in copies] == [4, 1, 2]
    assert copies[0][1] == 1.0
    assert 0.8 < copies[1][1] < 1.0
    assert 0.3 <= copies[2][1] < 0.5
    assert asyncio.run(run(u32(*original.encode()))) == copies
    withheld = pb.Takedown(id="a", document=pb.DocumentTarget(index_id=id_of(index), shard=0, number=4))
    assert asyncio.run(run(b"", withheld)) == copies[1:]


def test_takedowns_do_not_wait_for_searches(index: Path) -> None:
    async def run() -> None:
        slow = SlowShard()
        plain = slow.opened(index)
        takedowns = Takedowns(index, plain.index, {}, plain.views)
        opened = OpenShards(plain.index, plain.by_number, plain.views, takedowns)
        settings: dict[str, Any] = {"max_running_calls": 1, "max_queued_calls": 0}
        async with shard_server(index, opened=opened, **settings) as address, stub_of(address) as stub:
            running = asyncio.ensure_future(stub.GetDocument(slow_document(index)))
            await slow.wait_until_started()
            assert (await refusal(stub.GetDocument(slow_document(index))))[0] == "RESOURCE_EXHAUSTED"
            assert await set_takedowns(stub, 5) == [("", 0, 5)]
            slow.go_on.set()
            await running

    asyncio.run(run())


def test_a_list_may_be_larger_than_any_other_request(index: Path) -> None:
    async def run() -> None:
        async with shard_server(index, max_request_bytes=65_536) as address, stub_of(address) as stub:
            takedowns = [pb.Takedown(id=f"t-{number}", url="u" * 100) for number in range(2_000)]
            assert (await set_takedowns(stub, 1, *takedowns))[0] == ("", 0, 1)
            request = pb.LongestMatchesRequest(index_id=id_of(index), token_ids=bytes(100_000))
            code, _ = await status_of(stub.LongestMatches(request))
            assert code is grpc.StatusCode.RESOURCE_EXHAUSTED

    asyncio.run(run())


def test_metrics_tell_what_is_withheld(index: Path) -> None:
    metrics = Metrics()
    opened = open_shards(ShardServerConfig(index=index))
    metrics.watch_views(opened.views)
    opened.views.replace({0: np.array([0, 2], dtype=np.uint64)}, 9, lambda: None)
    value = metrics.registry.get_sample_value
    assert value("headwater_shard_withheld_documents", {"shard": "0"}) == 2
    assert value("headwater_shard_withheld_documents", {"shard": "1"}) == 0
    assert value("headwater_shard_takedown_epoch") == 9
