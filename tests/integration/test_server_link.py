"""What a link makes of a server's health and of what it says it holds, over a real connection."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from coordinator.cluster.link_pool import LinkPool
from coordinator.cluster.server_link import SERVICE, ServerLink
from coordinator.cluster.settings import ClusterSettings
from coordinator.cluster.takedown_push import Orders
from protos.shard.v1 import shard_pb2, shard_pb2_grpc
from tests.running_servers import until, unused_address

Status = health_pb2.HealthCheckResponse


class ScriptedServer(health_pb2_grpc.HealthServicer, shard_pb2_grpc.ShardServiceServicer):  # type: ignore[misc]
    """A server whose health and whose holdings a test sets."""

    def __init__(self) -> None:
        self.statuses: asyncio.Queue[int | None] = asyncio.Queue()
        self.index_id = "first"
        self.refuses_to_describe = False
        self.refusal = grpc.StatusCode.INTERNAL
        self.num_described = 0
        self.num_refused = 0
        self.watched: list[str] = []
        self.view_id, self.epoch = "", 0
        self.lists_sent: list[int] = []

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:
        self.watched.append(request.service)
        while (status := await self.statuses.get()) is not None:
            yield Status(status=status)

    async def Describe(self, request: Any, context: Any) -> Any:
        if self.refuses_to_describe:
            self.num_refused += 1
            await context.abort(self.refusal, "made up")
        self.num_described += 1
        return shard_pb2.DescribeResponse(shards=[self.shard()])

    async def SetTakedowns(self, request: Any, context: Any) -> Any:
        self.lists_sent.append(request.epoch)
        self.epoch, self.view_id = request.epoch, f"view {request.epoch}"
        return shard_pb2.SetTakedownsResponse(shards=[self.shard()])

    def shard(self) -> shard_pb2.Shard:
        return shard_pb2.Shard(
            shard=3, index_id=self.index_id, num_tokens=9, view_id=self.view_id, takedown_epoch=self.epoch
        )


@contextlib.asynccontextmanager
async def linked(address: str | None = None) -> AsyncIterator[tuple[ScriptedServer, ServerLink]]:
    """Gives a server and a link to it that watches."""
    servicer = ScriptedServer()
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    shard_pb2_grpc.add_ShardServiceServicer_to_server(servicer, server)
    address = address or unused_address()
    server.add_insecure_port(address)
    await server.start()
    link = ServerLink(address, ClusterSettings())
    link.start()
    try:
        yield servicer, link
    finally:
        await link.close()
        await server.stop(None)


def test_a_server_that_serves_says_what_it_holds() -> None:
    async def run() -> None:
        async with linked() as (server, link):
            assert link.state.kind == "connecting"
            server.statuses.put_nowait(Status.SERVING)
            await until(lambda: link.state.kind == "serving")
            assert server.watched == [SERVICE]
            assert [(one.number, one.index_id, one.num_tokens) for one in link.state.held] == [(3, "first", 9)]
            assert (link.state.connection, link.state.description) == (1, 1)

    asyncio.run(run())


def test_listeners_hear_of_each_change_until_they_leave() -> None:
    async def run() -> list[str]:
        async with linked() as (server, link):
            heard: list[str] = []

            def listen() -> None:
                heard.append(link.state.kind)

            link.subscribe(listen)
            for status in (Status.SERVING, Status.NOT_SERVING, Status.SERVING):
                server.statuses.put_nowait(status)
            await until(lambda: len(heard) == 3)
            link.unsubscribe(listen)
            server.statuses.put_nowait(Status.NOT_SERVING)
            await until(lambda: link.state.kind == "not_serving")
            return heard

    assert asyncio.run(run()) == ["serving", "not_serving", "serving"]


def test_a_server_that_stops_over_a_damaged_file_is_known_to_and_its_earlier_answers_are_others() -> None:
    async def run() -> None:
        async with linked() as (server, link):
            server.statuses.put_nowait(Status.SERVING)
            await until(lambda: link.state.kind == "serving")
            server.refuses_to_describe, server.refusal = True, grpc.StatusCode.DATA_LOSS
            server.statuses.put_nowait(Status.NOT_SERVING)
            await until(lambda: link.state.damages == 1)
            assert link.state.kind == "not_serving"
            assert server.num_refused == 1

    asyncio.run(run())


def test_a_server_that_drains_is_known_to_hold_what_it_held_and_is_asked_again_when_it_serves() -> None:
    async def run() -> None:
        async with linked() as (server, link):
            server.statuses.put_nowait(Status.SERVING)
            await until(lambda: link.state.kind == "serving")
            server.statuses.put_nowait(Status.NOT_SERVING)
            await until(lambda: link.state.kind == "not_serving")
            assert (link.state.reason, link.state.held[0].index_id) == ("the server says NOT_SERVING", "first")
            await until(lambda: server.num_described == 2)  # asked why, it says nothing of damage
            assert link.state.damages == 0
            server.index_id = "second"
            server.statuses.put_nowait(Status.SERVING)
            await until(lambda: link.state.kind == "serving")
            assert (link.state.held[0].index_id, link.state.description) == ("second", 2)

    asyncio.run(run())


def test_a_server_that_was_never_serving_is_asked_what_it_holds_all_the_same() -> None:
    async def run() -> None:
        async with linked() as (server, link):
            server.statuses.put_nowait(Status.NOT_SERVING)
            await until(lambda: link.state.kind == "not_serving")
            assert link.state.held[0].index_id == "first"

    asyncio.run(run())


def test_a_watch_that_ends_is_begun_again_as_another_connection() -> None:
    async def run() -> None:
        async with linked() as (server, link):
            server.statuses.put_nowait(Status.SERVING)
            await until(lambda: link.state.kind == "serving")
            server.statuses.put_nowait(None)
            await until(lambda: link.state.kind == "unreachable")
            assert link.state.reason == "the server ended the watch of its health"
            assert link.state.held == ()
            server.statuses.put_nowait(Status.SERVING)
            await until(lambda: link.state.kind == "serving")
            assert link.state.connection == 2

    asyncio.run(run())


def test_a_server_that_cannot_say_what_it_holds_is_not_used_and_tried_again() -> None:
    async def run() -> None:
        async with linked() as (server, link):
            server.refuses_to_describe = True
            server.statuses.put_nowait(Status.SERVING)
            await until(lambda: link.state.kind == "unreachable")
            assert link.state.reason == "made up"
            server.refuses_to_describe = False
            server.statuses.put_nowait(Status.SERVING)
            await until(lambda: link.state.kind == "serving")

    asyncio.run(run())


def test_a_server_that_contradicted_itself_is_asked_once_however_many_calls_say_so() -> None:
    async def run() -> None:
        async with linked() as (server, link):
            server.statuses.put_nowait(Status.SERVING)
            await until(lambda: link.state.kind == "serving")
            server.index_id = "second"
            for _ in range(100):
                link.look_again()
            await until(lambda: link.state.description == 2)
            assert link.state.held[0].index_id == "second"
            assert server.num_described == 2

    asyncio.run(run())


def test_a_server_that_contradicted_itself_and_then_cannot_say_what_it_holds_is_asked_until_it_can() -> None:
    async def run() -> None:
        async with linked() as (server, link):
            server.statuses.put_nowait(Status.SERVING)
            await until(lambda: link.state.kind == "serving")
            server.index_id, server.refuses_to_describe = "second", True
            link.look_again()
            await until(lambda: server.num_refused >= 2)
            assert (link.state.kind, link.state.description) == ("serving", 1)
            server.refuses_to_describe = False
            await until(lambda: link.state.description == 2)
            assert link.state.held[0].index_id == "second"

    asyncio.run(run())


def test_a_description_that_cannot_be_read_is_asked_for_again() -> None:
    async def run() -> None:
        async with linked() as (server, link):
            describe, unreadable = link._shards.Describe, [None]

            async def sometimes(*values: Any, **options: Any) -> Any:
                return unreadable.pop() if unreadable else await describe(*values, **options)

            link._shards.Describe = sometimes  # type: ignore[assignment]  # it is called as the other one
            server.statuses.put_nowait(Status.SERVING)
            await until(lambda: link.state.kind == "unreachable")
            assert "cannot be read" in link.state.reason
            server.statuses.put_nowait(Status.SERVING)
            await until(lambda: link.state.kind == "serving")
            description = link.state.description
            unreadable.append(None)
            link.look_again()
            await until(lambda: link.state.description == description + 1)
            assert unreadable == []

    asyncio.run(run())


@pytest.mark.parametrize("asked", ["look again", "serving again"])
def test_another_list_with_the_number_of_the_orders_is_never_taken_for_them(asked: str) -> None:
    async def run() -> None:
        async with linked() as (server, link):
            orders = Orders.of(7, [])
            link.order(orders)
            server.statuses.put_nowait(Status.SERVING)
            await until(lambda: link.state.obeys == orders.digest)
            heard: list[tuple[str, str]] = []
            link.subscribe(lambda: heard.append((link.state.held[0].view_id, link.state.obeys)))
            server.view_id = "of another list 7"
            if asked == "look again":
                link.look_again()
            else:
                server.statuses.put_nowait(Status.SERVING)
            await until(lambda: len(server.lists_sent) == 2)
            await until(lambda: link.state.obeys == orders.digest)
            assert heard == [("of another list 7", ""), ("view 7", orders.digest)]

    asyncio.run(run())


def test_a_server_that_has_gone_over_to_a_later_list_is_not_sent_the_one_before() -> None:
    async def run() -> None:
        async with linked() as (server, link):
            link.order(Orders.of(7, []))
            server.statuses.put_nowait(Status.SERVING)
            await until(lambda: link.state.obeys != "")
            server.view_id, server.epoch = "view 8", 8
            link.look_again()
            await until(lambda: link.state.held[0].view_id == "view 8")
            link.order(Orders.of(8, []))
            await until(lambda: link.state.obeys == Orders.of(8, []).digest)
            assert server.lists_sent == [7, 8]

    asyncio.run(run())


@pytest.mark.parametrize(("is_there", "reason"), [(False, "connection refused"), (True, "Method not found!")])
def test_what_is_no_shard_server_is_unreachable_with_the_reason(is_there: bool, reason: str) -> None:
    async def run() -> str:
        address = unused_address()
        server = grpc.aio.server()
        if is_there:
            server.add_insecure_port(address)
        await server.start()
        link = ServerLink(address, ClusterSettings())
        link.start()
        await until(lambda: link.state.kind == "unreachable")
        await link.close()
        await server.stop(None)
        return link.state.reason

    assert asyncio.run(run()) == reason


def test_a_pool_gives_each_address_one_link_and_closes_it_after_its_last_user() -> None:
    async def run() -> None:
        pool = LinkPool(ClusterSettings())
        first, again, other = (pool.acquire(address) for address in ("127.0.0.1:1", "127.0.0.1:1", "127.0.0.1:2"))
        assert first is again
        assert first is not other
        await pool.release(first)
        assert pool.acquire("127.0.0.1:1") is first
        await pool.release(first)
        await pool.release(again)
        fresh = pool.acquire("127.0.0.1:1")
        assert fresh is not first
        await pool.release(fresh)
        await pool.release(other)
        this = asyncio.current_task()
        await until(lambda: asyncio.all_tasks() == {this})  # gRPC's own task of a call ends a moment after it

    asyncio.run(run())
