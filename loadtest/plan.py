"""What the client processes are told before anything is sent."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias

from loadtest.access import Access
from loadtest.errors import LoadTestError
from loadtest.replies import Reply
from loadtest.workloads import Texts, Workload

MARGIN_S = 2.0
"""How long after the time that a request gives the server this side gives up: the way back takes some."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked, of whom, and how; not how fast. Goes to each client process.

    Attributes:
        access: The way to the server.
        texts: What requests are made of.
        run: Name of the run, for cold requests.
        timeout_s: Time that each request gives the server.
        require_complete: Whether an answer that misses a shard shall be an error.
        processes: Client processes.
        connections: Of each process, over gRPC.
        in_flight_limit: Most requests in flight, over all processes; a request that is due beyond it is not sent, and
            counts as an error.
        observer: Where a function stands that makes an `Observer`, as ``module:name``; empty: none.
    """

    access: Access
    texts: Texts
    run: str
    timeout_s: float = 10.0
    require_complete: bool = False
    processes: int = 2
    connections: int = 2
    in_flight_limit: int = 512
    observer: str = ""

    def check(self) -> None:
        """Returns if the numbers make sense.

        Raises:
            LoadTestError: otherwise.
        """
        if not 1 <= self.processes <= 64 or not 1 <= self.connections <= 64:
            raise LoadTestError(
                f"{self.processes} processes with {self.connections} connections, expected 1 to 64 each"
            )
        if not self.processes <= self.in_flight_limit <= 100_000:
            raise LoadTestError(
                f"at most {self.in_flight_limit} requests in flight, expected {self.processes} (processes) to 100000"
            )
        if not 0.01 <= self.timeout_s <= 3600:
            raise LoadTestError(f"requests give the server {self.timeout_s:g} s, expected 0.01 to 3600")


class Sent(NamedTuple):
    """A request that was sent, as an observer is told.

    Attributes:
        workload: Its kind.
        text: Which of the kind's texts it asked about.
        serial: What made a cold request unlike all others; 0 for a hot one.
        due_s: When it was due, by `time.monotonic`, which all processes of a machine share.
        finished_s: When its outcome was known.
    """

    workload: Workload
    text: int
    serial: int
    due_s: float
    finished_s: float


class Observer(Protocol):
    """Sees every request that was sent, after its time was taken, in the process that sent it."""

    def observe(self, sent: Sent, reply: Reply) -> object | None:
        """Returns what is to be kept of it, which must be small and picklable; None for nothing."""


MakeObserver: TypeAlias = Callable[[], Observer]


def observer_of(name: str) -> Observer | None:
    """Returns what the function ``module:name`` makes; None if there is no name.

    Raises:
        LoadTestError: there is no such function.
    """
    if not name:
        return None
    module, _, function = name.partition(":")
    try:
        make: MakeObserver = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise LoadTestError(f"observer {name!r}: there is no such function ({error})") from error
    return make()
