"""Steady traffic on a coordinator, from a process of its own so that nothing here delays it.

Open loop: each request goes out when it is due, whatever became of those before it, and its latency counts from then.
Closed loop: a number of clients, each with one request in flight.
"""

import asyncio
import itertools
import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, NamedTuple, Self

import grpc
import grpc.aio

from bench.errors import BenchError
from bench.faults.answers import digest, reasons, searched
from bench.faults.outcomes import HUNG, OK, Outcome
from protos.coordinator.v1 import coordinator_pb2 as pb

_TRACE = "/protos.coordinator.v1.CoordinatorService/Trace"
_MAX_MESSAGE_BYTES = 64 * 1024 * 1024
# As `headwater.connect` does: the coordinator answers within the time it is given, and the way back takes some.
_MARGIN_S = 2.0
# Should gRPC itself not end a call at its deadline.
_BACKSTOP_S = 1.0
_START_S = 60.0


@dataclass(frozen=True, slots=True)
class Load:
    """What the traffic is.

    Attributes:
        target: The coordinator, ``host:port``.
        answers: Answers to trace, in turn.
        rate: Requests a second, in an open loop; 0 for a closed one.
        clients: Clients of a closed loop.
        timeout_s: Time that each request gives the coordinator.
        channels: Connections that the requests go over, in turn.
        metadata: What each request shows besides, such as a key.
    """

    target: str
    answers: tuple[str, ...]
    rate: float = 0.0
    clients: int = 0
    timeout_s: float = 5.0
    channels: int = 1
    metadata: tuple[tuple[str, str], ...] = ()


class Traffic:
    """Traffic that goes on while the ``with`` block runs.

    Attributes:
        outcomes: Of every request, in the order in which they were due; known after the block.
    """

    def __init__(self, load: Load):
        self._load = load
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_main, args=(load, theirs), name="traffic", daemon=True)
        self._theirs = theirs
        self.outcomes: tuple[Outcome, ...] = ()

    def __enter__(self) -> Self:
        self._process.start()
        self._theirs.close()
        if not self._pipe.poll(_START_S):
            self._end()
            raise BenchError(f"the traffic did not start within {_START_S:.0f} s")
        self._pipe.recv()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.outcomes = self._stop()
        finally:
            self._end()

    def _stop(self) -> tuple[Outcome, ...]:
        self._pipe.send("stop")
        # Whatever is in flight has its outcome by then; reading the answers takes a few milliseconds each.
        patience_s = self._load.timeout_s + _MARGIN_S + _BACKSTOP_S + _START_S
        if not self._pipe.poll(patience_s):
            raise BenchError(f"the traffic did not end within {patience_s:.0f} s")
        try:
            outcomes: tuple[Outcome, ...] = self._pipe.recv()
        except EOFError:
            raise BenchError("the traffic's process ended without a word; its output says why") from None
        return outcomes

    def _end(self) -> None:
        self._process.terminate()
        self._process.join()
        self._process.close()
        self._pipe.close()


class _Answered(NamedTuple):
    request: int
    intended_s: float
    finished_s: float
    status: str
    content: bytes
    detail: str


class _Sender:
    """Sends requests and keeps what became of them. Answers are read at the end, when nobody waits for this process."""

    def __init__(self, load: Load, channels: Sequence[grpc.aio.Channel]):
        self._load = load
        self._stubs = itertools.cycle([channel.unary_unary(_TRACE, None, None) for channel in channels])
        timeout_ms = round(load.timeout_s * 1000)
        self._messages = [
            pb.TraceRequest(answer=each, timeout_ms=timeout_ms).SerializeToString() for each in load.answers
        ]
        self._answered: list[_Answered] = []

    async def open_loop(self, stop: asyncio.Event) -> None:
        """Sends each request when it is due, until told to stop; then waits for those in flight."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for number in itertools.count():
                due = began + number / self._load.rate
                try:
                    async with asyncio.timeout(max(0.0, due - time.monotonic())):
                        await stop.wait()
                except TimeoutError:
                    tasks.create_task(self._send(number % len(self._messages), due))
                if stop.is_set():
                    return

    async def closed_loop(self, stop: asyncio.Event) -> None:
        """Has every client send one request after the other until told to stop."""
        numbers = itertools.count()

        async def client() -> None:
            while not stop.is_set():
                await self._send(next(numbers) % len(self._messages), time.monotonic())

        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._load.clients):
                tasks.create_task(client())

    def outcomes(self) -> tuple[Outcome, ...]:
        """Returns what became of every request, in the order in which they were due."""
        return tuple(_outcome(one) for one in sorted(self._answered, key=lambda one: one.intended_s))

    async def _send(self, request: int, due: float) -> None:
        deadline_s = self._load.timeout_s + _MARGIN_S
        status, content, detail = OK, b"", ""
        try:
            async with asyncio.timeout(deadline_s + _BACKSTOP_S):
                content = await next(self._stubs)(
                    self._messages[request], timeout=deadline_s, metadata=self._load.metadata
                )
        except grpc.aio.AioRpcError as error:
            status, detail = error.code().name, error.details() or ""
            # At this deadline it was this client that gave up: the server has not said a word.
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED and time.monotonic() - due >= deadline_s:
                status = HUNG
        except TimeoutError:
            status = HUNG
        self._answered.append(_Answered(request, due, time.monotonic(), status, content, detail))


def _outcome(one: _Answered) -> Outcome:
    if one.status != OK:
        return Outcome(one.request, one.intended_s, one.finished_s, one.status, detail=one.detail)
    trace = pb.TraceResponse.FromString(one.content).trace
    return Outcome(
        one.request, one.intended_s, one.finished_s, OK, digest(trace), searched(trace), detail=reasons(trace)
    )


def _main(load: Load, pipe: "Connection[Any, Any]") -> None:
    asyncio.run(_run(load, pipe))


async def _run(load: Load, pipe: "Connection[Any, Any]") -> None:
    stop = asyncio.Event()
    channels = [_channel(load.target) for _ in range(load.channels)]
    sender = _Sender(load, channels)
    # The parent says one word: stop.
    told = asyncio.get_running_loop().run_in_executor(None, pipe.recv)
    told.add_done_callback(lambda _: stop.set())
    pipe.send("ready")
    await (sender.open_loop(stop) if load.rate else sender.closed_loop(stop))
    for channel in channels:
        await channel.close(None)
    pipe.send(sender.outcomes())


def _channel(target: str) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(
        target,
        options=[
            ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
            # Otherwise all channels to one target share a connection, and the streams it may have.
            ("grpc.use_local_subchannel_pool", 1),
        ],
    )
