"""`TraceStream` over a plain gRPC server: the events, errors at the start and in the middle, and leaving early."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

import headwater
from coordinator.api.rich_status import error_of
from coordinator.errors import (
    IncompleteAnswerError,
    InvalidRequestError,
    NoShardAnsweredError,
    OverloadedError,
    ShardUnavailableError,
)
from coordinator.requests import TraceOptions
from coordinator.results import DocumentsFound, Ranking, SpansFound, Trace, TraceEvent
from coordinator.streaming import trace_of
from headwater.remote import RemoteIndex
from protos.coordinator.v1 import coordinator_pb2 as pb
from protos.coordinator.v1 import coordinator_pb2_grpc
from tests.running_servers import NO_LONGER_MS, shard_server, unused_address
from tests.served_coordinator import served, serving
from tests.stuck_shards import StuckShards, stuck_shards
from tests.tiny_index import byte_level_tokenizer, write_index
from tests.unit.coordinator.api.samples import SPANS_FOUND

TEXTS = ("The quick brown fox jumps over the lazy dog.", "A quick brown fox walks under the bridge, naïvely.")
ANSWER = "They say the quick brown fox jumps over the lazy dog."
OPTIONS = TraceOptions(max_span_density=1.0)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_index(
        tmp_path_factory.mktemp("streaming") / "index", [TEXTS[:1], TEXTS[1:]], byte_level_tokenizer(TEXTS, 300)
    )


def ask(directory: Path, index: Path, question: Callable[[RemoteIndex], Any], lost: bool = False) -> Any:
    """Returns what a client gets, perhaps with shard 1 out of reach."""

    async def run() -> Any:
        async with shard_server(index) as address:
            addresses = [address, unused_address() if lost else address]
            async with served(directory, index, addresses, connect_timeout_ms=NO_LONGER_MS) as target:
                return await asyncio.to_thread(connected, target)

    def connected(target: str) -> Any:
        with headwater.connect(target) as remote:
            return question(remote)

    return asyncio.run(run())


def untimed(trace: Trace) -> Trace:
    return replace(trace, timings=None)  # type: ignore[arg-type]


def test_the_events_are_the_trace_and_come_in_their_order(index: Path, tmp_path: Path) -> None:
    def both(remote: RemoteIndex) -> tuple[list[TraceEvent], Trace]:
        return list(remote.trace_stream(ANSWER, "Who?", OPTIONS)), remote.trace(ANSWER, "Who?", OPTIONS)

    events, trace = ask(tmp_path, index, both)
    kinds = [type(event) for event in events]
    assert kinds == [SpansFound, DocumentsFound, DocumentsFound, Ranking]
    assert untimed(trace_of(ANSWER, events)) == untimed(trace)
    assert len(trace.documents) == 2


def test_an_error_before_the_first_event_arrives_as_what_it_was(index: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="answer is empty") as raised:
        ask(tmp_path, index, lambda remote: list(remote.trace_stream(" ")))
    assert raised.value.field == "answer"
    with pytest.raises(IncompleteAnswerError, match="default:1"):
        ask(tmp_path, index, lambda remote: list(remote.trace_stream(ANSWER, require_complete=True)), lost=True)


class Scripted:
    """Stands where a coordinator is: its streams yield and raise what they are given."""

    def __init__(self, *items: TraceEvent | Exception):
        self.items = items
        self.num_calls = 0

    async def trace_stream(self, *_asked: object) -> AsyncGenerator[TraceEvent, None]:
        self.num_calls += 1
        for item in self.items:
            if isinstance(item, Exception):
                raise item
            yield item


@pytest.mark.parametrize("error", [NoShardAnsweredError("all are gone"), OverloadedError("busy", 0.25)])
def test_an_error_in_the_middle_arrives_after_the_events_before_it(error: Exception) -> None:
    def read(target: str) -> list[TraceEvent]:
        seen: list[TraceEvent] = []
        with headwater.connect(target) as remote, pytest.raises(type(error), match=str(error)) as raised:
            seen.extend(remote.trace_stream("a"))  # what came before the error is kept
        assert len(raised.value.request_id) == 32
        if isinstance(raised.value, OverloadedError):
            assert raised.value.retry_after_s == 0.25
        return seen

    scripted = Scripted(SPANS_FOUND, error)

    async def run() -> list[TraceEvent]:
        async with serving(scripted) as target:
            return await asyncio.to_thread(read, target)

    assert asyncio.run(run()) == [SPANS_FOUND]
    assert scripted.num_calls == 1


def test_a_stream_that_ends_without_its_ranking_is_an_error() -> None:
    def read(target: str) -> None:
        with headwater.connect(target) as remote, pytest.raises(ShardUnavailableError, match="before its ranking"):
            list(remote.trace_stream("a"))

    async def run() -> None:
        async with serving(Scripted(SPANS_FOUND)) as target:
            await asyncio.to_thread(read, target)

    asyncio.run(run())


def test_ids_go_there_and_back_also_with_an_error() -> None:
    async def run() -> None:
        async with serving(Scripted(SPANS_FOUND)) as target, grpc.aio.insecure_channel(target) as channel:
            stub: Any = coordinator_pb2_grpc.CoordinatorServiceStub(channel)
            call = stub.TraceStream(pb.TraceStreamRequest(answer="a"), metadata=(("x-request-id", "r-1"),))
            assert [response.WhichOneof("event") async for response in call] == ["spans"]
            assert dict(await call.trailing_metadata())["x-request-id"] == "r-1"
        async with serving(Scripted(NoShardAnsweredError("x"))) as target, grpc.aio.insecure_channel(target) as channel:
            stub = coordinator_pb2_grpc.CoordinatorServiceStub(channel)
            call = stub.TraceStream(pb.TraceStreamRequest(answer="a"), metadata=(("x-request-id", "r-2"),))
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await call.read()
            error = error_of(raised.value)  # type: ignore[arg-type]
            assert isinstance(error, NoShardAnsweredError)
            assert error.request_id == "r-2"

    asyncio.run(run())


@contextlib.asynccontextmanager
async def served_stuck(directory: Path, index: Path) -> AsyncIterator[tuple[StuckShards, str]]:
    """Serves a coordinator over stuck shards, and gives them and its address."""
    async with stuck_shards(index) as (stuck, address), served(directory, index, [address] * 2) as target:
        yield stuck, target


@pytest.mark.parametrize("how", ["cancel", "deadline", "connection"])
def test_a_client_that_leaves_after_the_spans_stops_the_work_on_the_shards(
    index: Path, tmp_path: Path, how: str
) -> None:
    async def run() -> None:
        async with served_stuck(tmp_path, index) as (stuck, target), grpc.aio.insecure_channel(target) as channel:
            stub: Any = coordinator_pb2_grpc.CoordinatorServiceStub(channel)
            request = pb.TraceStreamRequest(answer=ANSWER, timeout_ms=60_000)
            call = stub.TraceStream(request, timeout=4 if how == "deadline" else 60)
            assert (await call.read()).WhichOneof("event") == "spans"
            await asyncio.wait_for(stuck.asked.wait(), 60)
            assert not stuck.left.is_set()
            if how == "cancel":
                call.cancel()
            elif how == "connection":
                await channel.close()
            await asyncio.wait_for(stuck.left.wait(), 60)

    asyncio.run(run())


def test_closing_the_iterator_of_the_client_stops_the_work(index: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with served_stuck(tmp_path, index) as (stuck, target):
            with headwater.connect(target) as remote:
                events: Any = remote.trace_stream(ANSWER)
                assert isinstance(await asyncio.to_thread(next, events), SpansFound)
                await asyncio.wait_for(stuck.asked.wait(), 60)
                assert not stuck.left.is_set()
                await asyncio.to_thread(events.close)
                await asyncio.wait_for(stuck.left.wait(), 60)

    asyncio.run(run())


def test_a_cancelled_trace_stops_the_work_too(index: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with served_stuck(tmp_path, index) as (stuck, target), grpc.aio.insecure_channel(target) as channel:
            stub: Any = coordinator_pb2_grpc.CoordinatorServiceStub(channel)
            call = stub.Trace(pb.TraceRequest(answer=ANSWER))
            await asyncio.wait_for(stuck.asked.wait(), 60)
            call.cancel()
            await asyncio.wait_for(stuck.left.wait(), 60)

    asyncio.run(run())
