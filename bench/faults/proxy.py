"""A TCP proxy that stands for a bad link: it cuts, blackholes, delays, throttles or truncates what passes.

All proxies of a run share one event loop in a thread of its own, so that faults can be set from anywhere.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar

_T = TypeVar("_T")

_CHUNK_BYTES = 16 * 1024
# Chunks on the way in one direction: what a link holds.
_CHUNKS_IN_FLIGHT = 256
_CALL_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Sound:
    """Everything passes."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Connections are reset, and new ones refused."""


@dataclass(frozen=True, slots=True)
class Blackhole:
    """Connections stand and new ones come about, but no byte arrives until the link is sound again."""


@dataclass(frozen=True, slots=True)
class Delayed:
    """Every byte arrives this much later, in both directions."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Throttled:
    """Bytes pass at this rate in each direction of a connection."""

    bytes_per_second: int


@dataclass(frozen=True, slots=True)
class Truncated:
    """Each connection is reset after this many more bytes from the server, most likely inside a message."""

    after_bytes: int


Fault: TypeAlias = Sound | Cut | Blackhole | Delayed | Throttled | Truncated


class FaultProxy:
    """One link: what connects to ``address`` reaches the server behind it, as far as the fault lets it.

    Attributes:
        address: ``host:port`` that stands in for the server's.
    """

    def __init__(self, upstream: tuple[str, int]):
        self._upstream = upstream
        self._fault: Fault = Sound()
        self._changed = asyncio.Event()
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None
        self._port = 0
        self.address = ""

    async def open(self) -> None:
        """Listens on a free port of this machine."""
        await self._listen()
        self.address = f"127.0.0.1:{self._port}"

    async def close(self) -> None:
        """Resets what is connected and listens no more."""
        await self._refuse()

    async def set(self, fault: Fault) -> None:
        """Makes the link suffer a fault from now on; `Sound` heals it."""
        self._fault = fault
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        if isinstance(fault, Cut):
            await self._refuse()
        elif self._server is None:
            await self._listen()
        for connection in self._connections:
            connection.from_server_since = 0

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, limit=_CHUNK_BYTES)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _refuse(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        while self._connections:
            connection = self._connections.pop()
            connection.reset()
            connection.task.cancel()
            # The task ends by this cancellation or by the reset, whichever it notices first.
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await connection.task

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connection = _Connection(task, [writer])
        self._connections.add(connection)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                upstream_reader, upstream_writer = await asyncio.open_connection(*self._upstream, limit=_CHUNK_BYTES)
                connection.writers.append(upstream_writer)
                await self._relay(connection, (reader, writer), (upstream_reader, upstream_writer))
        finally:
            connection.reset()
            self._connections.discard(connection)

    async def _relay(self, connection: "_Connection", client: "_Peer", server: "_Peer") -> None:
        """Carries bytes both ways until one side ends, or the fault ends both."""
        directions = [
            self._carry(client[0], server[1], connection, from_server=False),
            self._carry(server[0], client[1], connection, from_server=True),
        ]
        tasks = [asyncio.ensure_future(direction) for direction in directions]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _carry(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        connection: "_Connection",
        *,
        from_server: bool,
    ) -> None:
        """Carries one direction: chunks are taken as they come, and given on when the fault says so."""
        in_flight: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_CHUNKS_IN_FLIGHT)
        clock = asyncio.get_running_loop().time

        async def take() -> None:
            while chunk := await reader.read(_CHUNK_BYTES):
                await in_flight.put((clock(), chunk))
            await in_flight.put((clock(), b""))

        taking = asyncio.ensure_future(take())
        try:
            while True:
                arrived, chunk = await in_flight.get()
                await self._hold(arrived, len(chunk), clock)
                if not chunk:
                    return
                if from_server and isinstance(self._fault, Truncated):
                    left = self._fault.after_bytes - connection.from_server_since
                    chunk, is_last = chunk[: max(0, left)], len(chunk) >= left
                    writer.write(chunk)
                    if is_last:
                        await writer.drain()
                        return
                else:
                    writer.write(chunk)
                if from_server:
                    connection.from_server_since += len(chunk)
                await writer.drain()
        finally:
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)

    async def _hold(self, arrived: float, size: int, clock: Callable[[], float]) -> None:
        """Waits until the fault that holds now, and any that follows meanwhile, lets a chunk pass."""
        began = clock()
        while True:
            match self._fault:
                case Blackhole():
                    await self._changed.wait()
                    continue
                case Delayed(seconds):
                    wait_s = arrived + seconds - clock()
                case Throttled(bytes_per_second):
                    wait_s = began + size / bytes_per_second - clock()
                case _:
                    return
            if wait_s <= 0:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()


_Peer: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Connection:
    """What one client's connection needs to be ended: its task and the writers of both sides."""

    def __init__(self, task: "asyncio.Task[Any]", writers: list[asyncio.StreamWriter]):
        self.task = task
        self.writers = writers
        self.from_server_since = 0

    def reset(self) -> None:
        """Ends both sides with a reset, as a link that breaks does, not with an orderly end."""
        for writer in self.writers:
            end = writer.get_extra_info("socket")
            with contextlib.suppress(OSError, AttributeError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class ProxyThread:
    """The thread that runs every proxy while the ``with`` block lasts."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxies", daemon=True)
        self._proxies: list[FaultProxy] = []

    def open(self, upstream: tuple[str, int]) -> FaultProxy:
        """Returns a new proxy to ``upstream``, sound."""
        proxy = FaultProxy(upstream)
        self._call(proxy.open())
        self._proxies.append(proxy)
        return proxy

    def set(self, proxy: FaultProxy, fault: Fault) -> None:
        """Makes a link suffer a fault; returns once it does."""
        self._call(proxy.set(fault))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for proxy in self._proxies:
            self._call(proxy.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_CALL_TIMEOUT_S)
