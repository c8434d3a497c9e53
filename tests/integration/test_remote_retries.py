"""`headwater.connect` and coordinators that come and go: what is tried again, and what is not."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

import headwater
from coordinator.errors import CoordinatorError, NoShardAnsweredError, OverloadedError, ShardUnavailableError
from coordinator.results import Count
from protos.coordinator.v1 import coordinator_pb2 as pb
from protos.coordinator.v1 import coordinator_pb2_grpc
from tests.running_servers import unused_address
from tests.served_coordinator import serving
from tests.unit.coordinator.api.samples import COVERAGE

COUNT = Count(1, 2, COVERAGE)


class Failing:
    """A coordinator that fails its first calls."""

    def __init__(self, *errors: Exception):
        self.errors = list(errors)
        self.num_calls = 0

    async def count(self, *_asked: object) -> Count:
        self.num_calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return COUNT


@pytest.mark.parametrize("error", [NoShardAnsweredError("all are gone"), OverloadedError("busy", 0.01)])
def test_what_a_coordinator_refuses_is_not_asked_again(error: CoordinatorError) -> None:
    failing = Failing(error)

    def ask(target: str) -> None:
        with headwater.connect(target) as remote, pytest.raises(type(error)):
            remote.count("a")

    async def run() -> None:
        async with serving(failing) as target:
            await asyncio.to_thread(ask, target)

    asyncio.run(run())
    assert failing.num_calls == 1


def test_a_call_that_loses_its_coordinator_on_the_way_is_made_again() -> None:
    class Dropping(coordinator_pb2_grpc.CoordinatorServiceServicer):
        """Answers UNAVAILABLE without a word of why, as a proxy does whose server has gone."""

        num_calls = 0

        async def Count(self, request: pb.CountRequest, context: Any) -> Any:
            self.num_calls += 1
            if self.num_calls < 3:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "upstream is gone")
            return pb.CountResponse(num_tokens=1, count=2)

    dropping = Dropping()

    def ask(target: str) -> int:
        with headwater.connect(target) as remote:
            return remote.count("a").count

    async def run() -> int:
        server = grpc.aio.server()
        coordinator_pb2_grpc.add_CoordinatorServiceServicer_to_server(dropping, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            return await asyncio.to_thread(ask, f"127.0.0.1:{port}")
        finally:
            await server.stop(0)

    assert asyncio.run(run()) == 2
    assert dropping.num_calls == 3


def test_a_client_finds_a_coordinator_that_was_started_again_within_a_call() -> None:
    address = unused_address()

    async def run() -> list[int]:
        with headwater.connect(address) as remote:
            async with serving(Failing(), address):
                counts = [(await asyncio.to_thread(remote.count, "a")).count]
            waiting = asyncio.create_task(asyncio.to_thread(remote.count, "a"))
            async with serving(Failing(), address):
                counts.append((await waiting).count)
            return counts

    assert asyncio.run(run()) == [2, 2]


def test_nothing_listens_is_said_long_before_the_calls_time_is_up() -> None:
    began = time.monotonic()
    with headwater.connect(unused_address()) as remote, pytest.raises(ShardUnavailableError, match="refused"):
        remote.count("a", timeout_s=60)
    assert time.monotonic() - began < 30


@contextlib.contextmanager
def silent_after(target: str) -> Iterator[tuple[str, Any]]:
    """Forwards a connection, until told to forward nothing any more without closing it: a machine that is gone."""
    is_gone = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    host, _, port = target.rpartition(":")
    opened: list[socket.socket] = [listener]

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while content := source.recv(65_536):
                if not is_gone.is_set():
                    sink.sendall(content)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client = listener.accept()[0]
                server = socket.create_connection((host, int(port)))
                opened.extend((client, server))
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}", is_gone
    finally:
        for each in opened:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


def test_a_coordinator_whose_machine_is_gone_is_noticed_before_the_calls_time_is_up() -> None:
    def ask(target: str) -> float:
        with silent_after(target) as (through, is_gone), headwater.connect(through) as remote:
            assert remote.count("a") == COUNT
            is_gone.set()
            began = time.monotonic()
            with pytest.raises(ShardUnavailableError):
                remote.count("a", timeout_s=60)
            return time.monotonic() - began

    async def run() -> float:
        async with serving(Failing()) as target:
            return await asyncio.to_thread(ask, target)

    assert asyncio.run(run()) < 30
