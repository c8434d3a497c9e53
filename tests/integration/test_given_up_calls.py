"""A call to a server that nobody waits for any more: it ends at the server, and leaves no memory behind."""

import asyncio
import gc
import itertools
import multiprocessing
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from typing import TypeAlias

import grpc
import grpc.aio
import psutil
import pytest

from coordinator.cluster.given_up_call import answer_of

_Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"
_Method: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]"
_Handle: TypeAlias = Callable[[bytes, _Context], Awaitable[bytes]]

_ANSWER = b"x" * 20_000
_CALLS, _AT_ONCE = 6_000, 30
# grpc.aio alone keeps 1.2 kB of each: 7 MB.
_MOST_GROWTH = 3_000_000


@asynccontextmanager
async def server_of(handle: _Handle) -> AsyncIterator[int]:
    server = grpc.aio.server()
    methods = {"Ask": grpc.unary_unary_rpc_method_handler(handle)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Server", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


@asynccontextmanager
async def method_at(port: int) -> AsyncIterator[_Method]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel.unary_unary("/test.Server/Ask", None, None)


@asynccontextmanager
async def method_of(handle: _Handle) -> AsyncIterator[_Method]:
    async with server_of(handle) as port, method_at(port) as method:
        yield method


def test_an_answer_and_a_status_come_as_without_it() -> None:
    async def handle(request: bytes, context: _Context) -> bytes:
        if not request:
            await context.abort(grpc.StatusCode.NOT_FOUND, "nothing")
        return request

    async def run() -> None:
        async with method_of(handle) as method:
            assert await answer_of(method(b"yes", timeout=5)) == b"yes"
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await answer_of(method(b"", timeout=5))
            assert (raised.value.code(), raised.value.details()) == (grpc.StatusCode.NOT_FOUND, "nothing")

    asyncio.run(run())


def test_a_server_is_told_that_nobody_waits() -> None:
    told = asyncio.Event()

    async def handle(_request: bytes, _context: _Context) -> bytes:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            told.set()
            raise
        return b""

    async def run() -> None:
        async with method_of(handle) as method:
            waiting = asyncio.ensure_future(answer_of(method(b"", timeout=60)))
            await asyncio.sleep(0.2)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            async with asyncio.timeout(10):
                await told.wait()

    asyncio.run(run())


def test_what_is_no_call_is_cancelled_as_any_other() -> None:
    async def run() -> None:
        sleeping = asyncio.ensure_future(asyncio.sleep(60))
        waiting = asyncio.ensure_future(answer_of(sleeping))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, sleeping, return_exceptions=True)
        assert sleeping.cancelled()

    asyncio.run(run())


def _serve(port: Connection) -> None:
    async def run() -> None:
        async def handle(_request: bytes, _context: _Context) -> bytes:
            await asyncio.sleep(0.004)
            return _ANSWER

        async with server_of(handle) as bound:
            port.send(bound)
            await asyncio.to_thread(port.poll, None)  # until the other end is closed

    asyncio.run(run())


@pytest.fixture
def port_of_a_process() -> Iterator[int]:
    """The port of a server in a process of its own, so that a test sees the memory of callers alone.

    A server's own goes up and down with the calls that wait in it, by more than what a leak of thousands takes.
    """
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=_serve, args=(theirs,))
    process.start()
    theirs.close()
    yield ours.recv()
    ours.close()
    process.join(30)
    assert process.exitcode == 0


def test_memory_is_flat_over_thousands_of_them(port_of_a_process: int) -> None:
    async def give_up(method: _Method) -> None:
        waiting = asyncio.ensure_future(answer_of(method(b"y" * 3_000, timeout=5)))
        await asyncio.sleep(0.0045)  # some have their answer by then, of others it is on its way
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    async def run() -> int:
        async with method_at(port_of_a_process) as method:
            sizes = []
            for _ in range(4):
                for _ in range(_CALLS // _AT_ONCE):
                    await asyncio.gather(*(give_up(method) for _ in range(_AT_ONCE)))
                await asyncio.sleep(0.2)
                gc.collect()
                sizes.append(psutil.Process().memory_info().rss)
            # What else the process does may take memory now and then; a leak does so each time.
            return min(after - before for before, after in itertools.pairwise(sizes))

    assert asyncio.run(run()) < _MOST_GROWTH
