"""Real shard servers over real gRPC: what a coordinator gets from them, and what it makes of those that fail."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import headwater
from coordinator.errors import ConfigurationError, DocumentNotFoundError, NoShardAnsweredError, ShardUnavailableError
from coordinator.requests import TraceOptions, TraceRequest
from coordinator.results import Trace
from coordinator.values import DocumentId, ShardId
from tests.running_servers import NO_LONGER_MS, coordinator, shard_server, unused_address
from tests.tiny_index import byte_level_tokenizer, write_index

TEXTS = (
    "The quick brown fox jumps over the lazy dog near the river bank.",
    "A slow green turtle walks under the old stone bridge, naïvely.",
    "Nobody saw the quick brown fox jumps over the lazy dog, or so they say.",
    "Every morning the baker sells warm bread near the river bank.",
)
ANSWER = "They say the quick brown fox jumps over the lazy dog while the baker sells warm bread near the river bank."
OPTIONS = TraceOptions(max_span_density=1.0)
REQUEST = TraceRequest(ANSWER, "What did the fox do?", OPTIONS)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_index(
        tmp_path_factory.mktemp("served") / "index", [TEXTS[:2], TEXTS[2:]], byte_level_tokenizer(TEXTS, 300)
    )


def untimed(trace: Trace) -> Trace:
    return replace(trace, timings=None)  # type: ignore[arg-type]


def embedded(index: Path) -> Trace:
    with headwater.open(index) as opened:
        return untimed(opened.trace(ANSWER, REQUEST.prompt, OPTIONS))


def test_a_trace_over_two_servers_equals_the_embedded_one(index: Path, tmp_path: Path) -> None:
    async def run() -> Trace:
        async with (
            shard_server(index, [0]) as first,
            shard_server(index, [1]) as second,
            coordinator(tmp_path, index, [first, second]) as served,
        ):
            return await served.trace(REQUEST)

    assert untimed(asyncio.run(run())) == embedded(index)


def test_one_server_can_hold_every_shard(index: Path, tmp_path: Path) -> None:
    async def run() -> Trace:
        async with shard_server(index) as address, coordinator(tmp_path, index, [address] * 2) as served:
            return await served.trace(REQUEST)

    assert untimed(asyncio.run(run())) == embedded(index)


def test_a_shard_that_goes_down_is_named_and_the_others_are_traced(index: Path, tmp_path: Path) -> None:
    async def run() -> tuple[Trace, str]:
        async with shard_server(index, [0]) as first:
            async with shard_server(index, [1]) as second:
                served = coordinator(tmp_path, index, [first, second])
                opened = await served.__aenter__()
                assert (await opened.trace(REQUEST)).coverage.complete
            try:
                return await opened.trace(REQUEST), second
            finally:
                await served.__aexit__(None, None, None)

    trace, lost = asyncio.run(run())
    assert not trace.coverage.complete
    assert (trace.coverage.shards_asked, trace.coverage.shards_answered) == (2, 1)
    (failed,) = trace.coverage.failed_shards
    assert failed.shard == ShardId("default", 1)
    # It is known before it is asked, or the call itself finds out.
    refused = (f"{lost}: connection refused", f"{lost}: UNAVAILABLE: connection refused")
    assert failed.reason in [f"no replica of default:1 answered: {reason}" for reason in refused]
    assert {document.id.shard for document in trace.documents} == {0}


def test_a_server_that_is_down_at_the_start_is_used_once_it_comes(index: Path, tmp_path: Path) -> None:
    async def run() -> tuple[Trace, Trace]:
        late = unused_address()
        async with (
            shard_server(index, [0]) as first,
            coordinator(tmp_path, index, [first, late], connect_timeout_ms=NO_LONGER_MS) as served,
        ):
            before = await served.trace(REQUEST)
            async with shard_server(index, [1], listen=late):
                async with asyncio.timeout(60):
                    while not (after := await served.trace(REQUEST)).coverage.complete:  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
            return before, after

    before, after = asyncio.run(run())
    assert [failed.shard for failed in before.coverage.failed_shards] == [ShardId("default", 1)]
    assert untimed(after) == embedded(index)


def test_without_any_shard_a_trace_says_why(index: Path, tmp_path: Path) -> None:
    async def run() -> None:
        nobody = [unused_address(), unused_address()]
        async with coordinator(tmp_path, index, nobody, connect_timeout_ms=NO_LONGER_MS) as served:
            await served.trace(REQUEST)

    with pytest.raises(NoShardAnsweredError, match=r"shard default:0: .*127\.0\.0\.1:.*refused.*shard default:1: "):
        asyncio.run(run())


def test_documents_come_from_their_shard(index: Path, tmp_path: Path) -> None:
    async def run() -> tuple[Any, ...]:
        async with shard_server(index) as address, coordinator(tmp_path, index, [address] * 2) as served:
            document = await served.get_document(DocumentId("default", 1, 1))
            end = await served.get_document(DocumentId("default", 1, 1), start=document.num_tokens)
            errors = [
                await asyncio.gather(served.get_document(id_, start), return_exceptions=True)
                for id_, start in ((DocumentId("default", 1, 7), 0), (DocumentId("default", 1, 1), 10_000))
            ]
            return document, end, errors

    document, end, errors = asyncio.run(run())
    assert document.text == TEXTS[3]
    assert (document.start, document.end) == (0, document.num_tokens)
    assert end.text == ""
    for (error,) in errors:
        assert isinstance(error, DocumentNotFoundError), error


def test_a_document_of_a_lost_shard_is_unavailable_not_missing(index: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            shard_server(index, [0]) as first,
            coordinator(tmp_path, index, [first, unused_address()], connect_timeout_ms=NO_LONGER_MS) as served,
        ):
            await served.get_document(DocumentId("default", 1, 0))

    with pytest.raises(
        ShardUnavailableError, match=r"no replica of default:1 answered: 127\.0\.0\.1:\d+: connection refused"
    ):
        asyncio.run(run())


def test_a_server_of_another_index_is_refused_by_name(index: Path, tmp_path: Path) -> None:
    other = write_index(tmp_path / "other", [TEXTS[1:], TEXTS[:1]], byte_level_tokenizer(TEXTS, 300))

    async def run() -> None:
        async with shard_server(other) as address, coordinator(tmp_path, index, [address] * 2):
            pass

    with pytest.raises(ConfigurationError, match=r"default:0 .*127\.0\.0\.1:\d+: found index_id \w+, expected \w+"):
        asyncio.run(run())


def test_a_server_with_another_tokenizer_is_refused_by_name(index: Path, tmp_path: Path) -> None:
    other = write_index(tmp_path / "other", [TEXTS[:2], TEXTS[2:]], byte_level_tokenizer(TEXTS, 290))

    async def run() -> None:
        async with shard_server(other) as address, coordinator(tmp_path, index, [address] * 2):
            pass

    with pytest.raises(ConfigurationError, match="found tokenizer_sha256"):
        asyncio.run(run())


def test_a_server_that_restarts_with_another_index_is_never_mixed_in(index: Path, tmp_path: Path) -> None:
    other = write_index(tmp_path / "other", [TEXTS[1:], TEXTS[:1]], byte_level_tokenizer(TEXTS, 300))

    async def run() -> Trace:
        address = unused_address()
        async with (
            shard_server(index, [0]) as first,
            coordinator(tmp_path, index, [first, address], connect_timeout_ms=NO_LONGER_MS) as served,
            shard_server(other, [1], listen=address),
        ):
            async with asyncio.timeout(60):
                while True:
                    trace = await served.trace(REQUEST)
                    (failed,) = trace.coverage.failed_shards
                    if "refused" not in failed.reason:
                        return trace
                    await asyncio.sleep(0.05)

    (failed,) = asyncio.run(run()).coverage.failed_shards
    assert failed.shard == ShardId("default", 1)
    assert "found index_id" in failed.reason


@pytest.mark.parametrize("is_of_another_index", [False, True], ids=["without the shard", "of another index"])
def test_a_shard_that_no_server_holds_as_it_should_is_lost_and_the_others_are_served(
    index: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, is_of_another_index: bool
) -> None:
    other = write_index(tmp_path / "other", [TEXTS[1:], TEXTS[:1]], byte_level_tokenizer(TEXTS, 300))

    async def run() -> tuple[str, str]:
        wrong = (other, [1]) if is_of_another_index else (index, [0])
        async with (
            shard_server(index, [0]) as first,
            shard_server(*wrong) as second,
            coordinator(tmp_path, index, [first, second]) as served,
        ):
            (failed,) = (await served.trace(REQUEST)).coverage.failed_shards
            assert failed.shard == ShardId("default", 1)
            readiness = served.readiness()
            assert readiness.ready
            return failed.reason, readiness.corpora[0].reason

    found = "found index_id " if is_of_another_index else "found shards 0, expected 1"
    for reason in asyncio.run(run()):
        assert found in reason
    (logged,) = [one for one in caplog.records if one.message == "no server holds this shard as the index says"]
    assert (logged.__dict__["shard"], found in logged.__dict__["found"]) == ("default:1", True)


def test_limits_that_disagree_are_an_error_that_says_so(index: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            shard_server(index, max_query_tokens=3) as address,
            coordinator(tmp_path, index, [address] * 2) as served,
        ):
            await served.trace(REQUEST)

    with pytest.raises(ConfigurationError, match=r"refused a request.*this server takes 1 to 3"):
        asyncio.run(run())
