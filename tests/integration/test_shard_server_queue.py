"""A shard server with more calls than it can run: they wait in order, and leave when nobody waits for them."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from prometheus_client import generate_latest

from protos.shard.v1 import shard_pb2 as pb
from shard_server.config import ShardServerConfig
from shard_server.metrics import Metrics
from shard_server.server import serving
from tests.integration.shard_calls import SlowShard, slow_document, status_of, write_two_shards
from tests.running_servers import stub_of


class Queue:
    """A server over a `SlowShard`."""

    def __init__(self, index: Path) -> None:
        self.index = index
        self.shard = SlowShard()
        self.metrics = Metrics()

    def serving(self, **limits: int):  # type: ignore[no-untyped-def]
        config = ShardServerConfig(index=self.index, listen="127.0.0.1:0", max_running_calls=1, **limits)
        return serving(config, self.shard.opened(self.index), self.metrics)

    async def until(self, line: str) -> None:
        """Returns once the metrics have a line."""
        async with asyncio.timeout(60):
            while line not in generate_latest(self.metrics.registry).decode().splitlines():  # noqa: ASYNC110
                await asyncio.sleep(0.005)


pytestmark = pytest.mark.usefixtures("leaves_nothing_behind")


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(write_two_shards(tmp_path / "index"))


def test_a_full_queue_answers_resource_exhausted_and_takes_work_again_afterwards(queue: Queue) -> None:
    async def run() -> tuple[tuple[grpc.StatusCode, str], list[str]]:
        async with queue.serving(max_queued_calls=1) as address, stub_of(address) as stub:
            calls = [stub.GetDocument(slow_document(queue.index)) for _ in range(2)]
            await queue.until("headwater_shard_waiting_calls 1.0")
            refused = await status_of(stub.GetDocument(slow_document(queue.index)))
            assert (await stub.Describe(pb.DescribeRequest())).shards, "asked by whoever connects"
            queue.shard.go_on.set()
            texts = [(await call).text for call in calls]
            return refused, [*texts, (await stub.GetDocument(slow_document(queue.index))).text]

    (code, details), texts = asyncio.run(run())
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert details == "1 calls run and 1 wait"
    assert texts == ["slow"] * 3
    assert 'headwater_shard_refused_total{reason="queue_full"} 1.0' in generate_latest(queue.metrics.registry).decode()


def test_work_whose_caller_is_gone_is_not_started(queue: Queue) -> None:
    async def run() -> None:
        async with queue.serving() as address, stub_of(address) as stub:
            running = stub.GetDocument(slow_document(queue.index))
            await queue.shard.wait_until_started()
            cancelled = stub.GetDocument(slow_document(queue.index))
            late = stub.GetDocument(slow_document(queue.index), timeout=2)
            await queue.until("headwater_shard_waiting_calls 2.0")
            cancelled.cancel()
            assert (await status_of(late))[0] is grpc.StatusCode.DEADLINE_EXCEEDED
            await queue.until("headwater_shard_waiting_calls 0.0")
            queue.shard.go_on.set()
            await running

    asyncio.run(run())
    assert queue.shard.num_started == 1


def test_callers_that_go_away_make_room_in_the_queue_at_once(queue: Queue) -> None:
    async def run() -> None:
        async with queue.serving(max_queued_calls=2) as address, stub_of(address) as stub:
            running = stub.GetDocument(slow_document(queue.index))
            await queue.shard.wait_until_started()
            gone = [stub.GetDocument(slow_document(queue.index)) for _ in range(2)]
            await queue.until("headwater_shard_waiting_calls 2.0")
            for call in gone:
                call.cancel()
            await queue.until("headwater_shard_waiting_calls 0.0")
            queued = [stub.GetDocument(slow_document(queue.index)) for _ in range(2)]
            await queue.until("headwater_shard_waiting_calls 2.0")
            queue.shard.go_on.set()
            assert [(await call).text for call in [running, *queued]] == ["slow"] * 3

    asyncio.run(run())
    assert queue.shard.num_started == 3


def test_a_caller_that_goes_while_its_call_runs_keeps_its_turn_until_the_work_is_done(queue: Queue) -> None:
    async def run() -> None:
        async with queue.serving() as address, stub_of(address) as stub:
            running = stub.GetDocument(slow_document(queue.index))
            await queue.shard.wait_until_started()
            running.cancel()
            await queue.until('headwater_shard_rpc_seconds_count{rpc="GetDocument",shard="0",status="CANCELLED"} 1.0')
            next_ = stub.GetDocument(slow_document(queue.index))
            await queue.until("headwater_shard_waiting_calls 1.0")
            assert "headwater_shard_running_calls 1.0" in generate_latest(queue.metrics.registry).decode()
            queue.shard.go_on.set()
            assert (await next_).text == "slow"
            await queue.until("headwater_shard_running_calls 0.0")

    asyncio.run(run())


def test_time_in_the_queue_is_measured(queue: Queue) -> None:
    async def run(counts: Callable[[], str]) -> None:
        async with queue.serving() as address, stub_of(address) as stub:
            calls = [stub.GetDocument(slow_document(queue.index)) for _ in range(2)]
            await queue.until("headwater_shard_waiting_calls 1.0")
            await asyncio.sleep(0.06)  # the least that the second call waits
            queue.shard.go_on.set()
            await asyncio.gather(*calls)
        assert "headwater_shard_queue_seconds_count 2.0" in counts()
        assert 'headwater_shard_queue_seconds_bucket{le="0.05"} 1.0' in counts()

    asyncio.run(run(lambda: generate_latest(queue.metrics.registry).decode()))
