"""One client process: sends its share of the requests when they are due, and notes what became of them.

It does nothing else while requests are due, so that it is the server that is measured.
"""

import asyncio
import gc
import signal
import threading
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import uvloop

from loadtest.errors import LoadTestError
from loadtest.messages import Message, MessageMaker
from loadtest.plan import MARGIN_S, Load, Observer, Sent, observer_of
from loadtest.replies import OK, Received, Reply
from loadtest.results import IN_FLIGHT_LIMIT
from loadtest.schedule import Requests
from loadtest.workloads import Workload

CONNECT_S = 30.0
_FLUSH_S = 1.0


@dataclass(frozen=True, slots=True)
class Order:
    """Send these requests; second 0 of ``requests`` is ``start`` on the monotonic clock."""

    start: float
    requests: Requests


@dataclass(slots=True)
class Outcomes:
    """What became of the requests of an order. The arrays are as long as the order's.

    Attributes:
        sent_s: When each was sent, since the step began; NaN if it was not.
        finished_s: When its outcome was known.
        code: Its code, as an index into ``codes``.
        codes: The codes that there were.
        complete: Whether every shard had a part in the answer.
        cached: Whether the answer was made for an earlier request.
        coverage: Share of the tokens that was searched.
        cpu_share: Share of one core that this process used.
        most_in_flight: Most requests in flight at once.
    """

    sent_s: npt.NDArray[np.float64]
    finished_s: npt.NDArray[np.float64]
    code: npt.NDArray[np.uint8]
    complete: npt.NDArray[np.bool_]
    cached: npt.NDArray[np.bool_]
    coverage: npt.NDArray[np.float32]
    codes: list[str] = field(default_factory=lambda: [OK])
    cpu_share: float = 0.0
    most_in_flight: int = 0

    @classmethod
    def of(cls, number: int) -> "Outcomes":
        """Returns those of so many requests of which nothing is known yet."""
        return cls(
            np.full(number, np.nan),
            np.full(number, np.nan),
            np.zeros(number, np.uint8),
            np.zeros(number, np.bool_),
            np.zeros(number, np.bool_),
            np.zeros(number, np.float32),
        )

    def index(self, code: str) -> int:
        """Returns the index of a code."""
        if code not in self.codes:
            self.codes.append(code)
        return self.codes.index(code)


class Caller(Protocol):
    """A way to send messages."""

    async def connect(self, timeout_s: float) -> None:
        """Connects."""

    async def send(self, message: Message, timeout_s: float) -> Received:
        """Sends a message and returns what came back; raises nothing that a server can cause."""

    def read(self, kind: type[Message], received: Received) -> Reply:
        """Reads what came back."""

    async def close(self) -> None:
        """Closes."""


def main(load: Load, number: int, pipe: "Connection[Any, Any]") -> None:
    """Serves orders until told to stop. The parent gets Ctrl-C as well, and ends this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    uvloop.run(_serve(load, number, pipe))


async def _serve(load: Load, number: int, pipe: "Connection[Any, Any]") -> None:
    loop = asyncio.get_running_loop()
    caller: Caller | None = None
    try:
        observer = observer_of(load.observer)
        caller = _caller(load)
        await caller.connect(CONNECT_S)
    except (LoadTestError, TimeoutError) as error:
        said = str(error) or f"{load.access.target}: not connected within {CONNECT_S:.0f} s; is a server there?"
        if caller is not None:
            await caller.close()
        pipe.send(("failed", said))
        return
    limit = load.in_flight_limit // load.processes + (number < load.in_flight_limit % load.processes)
    sender = _Sender(load, caller, observer, limit, pipe)
    # What lives until the end need not be looked through while requests are due.
    gc.collect()
    gc.freeze()
    pipe.send(("ready", None))
    try:
        while (order := await loop.run_in_executor(None, pipe.recv)) is not None:
            pipe.send(("done", await sender.run(order)))
    except EOFError:
        return  # the parent is gone
    finally:
        await caller.close()


def _caller(load: Load) -> Caller:
    # Either brings much that the other does not need, and a client process is to start quickly.
    if load.access.protocol == "http":
        from loadtest.http_caller import HttpCaller

        return HttpCaller(load.access)
    from loadtest.grpc_caller import GrpcCaller

    return GrpcCaller(load.access, load.connections)


class _Sender:
    """Sends the requests of one order after the other."""

    def __init__(self, load: Load, caller: Caller, observer: Observer | None, limit: int, pipe: "Connection[Any, Any]"):
        self._caller = caller
        self._maker = MessageMaker(load.texts, round(load.timeout_s * 1000), load.require_complete, load.run)
        self._patience_s = load.timeout_s + MARGIN_S
        self._observer = observer
        self._limit = limit
        self._pipe = pipe
        self._records: list[object] = []
        self._flushed = 0.0

    async def run(self, order: Order) -> Outcomes:
        """Sends each request when it is due, and returns once all have their outcome."""
        requests = order.requests
        outcomes = Outcomes.of(len(requests))
        numbers: asyncio.Queue[int | None] = asyncio.Queue()
        pacer = threading.Thread(
            target=_pace, args=(order, asyncio.get_running_loop(), numbers), name="pacer", daemon=True
        )
        kinds = list(Workload)
        workloads = [kinds[number] for number in requests.workload]
        rows = list(zip(workloads, requests.text.tolist(), requests.serial.tolist(), strict=True))
        due = (order.start + requests.due_s).tolist()
        in_flight = 0
        began, cpu_began = time.monotonic(), time.process_time()

        async def send(number: int) -> None:
            nonlocal in_flight
            message = self._maker.message(*rows[number])
            outcomes.sent_s[number] = time.monotonic() - order.start
            received = await self._caller.send(message, self._patience_s)
            finished = time.monotonic()
            in_flight -= 1
            outcomes.finished_s[number] = finished - order.start
            reply = self._caller.read(type(message), received)
            outcomes.code[number] = outcomes.index(reply.code)
            outcomes.complete[number] = reply.complete
            outcomes.cached[number] = reply.cached
            outcomes.coverage[number] = reply.coverage
            if self._observer is not None:
                self._keep(self._observer.observe(Sent(*rows[number], due[number], finished), reply))

        pacer.start()
        async with asyncio.TaskGroup() as tasks:
            while (number := await numbers.get()) is not None:
                if in_flight >= self._limit:
                    outcomes.finished_s[number] = time.monotonic() - order.start
                    outcomes.code[number] = outcomes.index(IN_FLIGHT_LIMIT)
                    continue
                in_flight += 1
                outcomes.most_in_flight = max(outcomes.most_in_flight, in_flight)
                tasks.create_task(send(number))
        seconds = time.monotonic() - max(began, order.start)
        outcomes.cpu_share = (time.process_time() - cpu_began) / max(seconds, 1e-9)
        self._flush()
        return outcomes

    def _keep(self, record: object | None) -> None:
        if record is not None:
            self._records.append(record)
        if time.monotonic() - self._flushed > _FLUSH_S:
            self._flush()

    def _flush(self) -> None:
        self._flushed = time.monotonic()
        if self._records:
            self._pipe.send(("records", self._records))
            self._records = []


def _pace(order: Order, loop: asyncio.AbstractEventLoop, numbers: "asyncio.Queue[int | None]") -> None:
    """Puts the number of each request into the queue when it is due, None at the end.

    A thread of its own sleeps to a tenth of a millisecond; an event loop rounds to whole ones.
    """
    for number, due in enumerate((order.start + order.requests.due_s).tolist()):
        wait_s = due - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)
        loop.call_soon_threadsafe(numbers.put_nowait, number)
    loop.call_soon_threadsafe(numbers.put_nowait, None)
