"""Servers of one shard that answer as a test says, in virtual time."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from coordinator.cluster.held_shard import HeldShard
from coordinator.cluster.observer import ClusterObserver
from coordinator.cluster.replica_set import ReplicaSet
from coordinator.cluster.server_link import LinkState
from coordinator.cluster.settings import ClusterSettings
from coordinator.cluster.shard_client import TryFailedError
from coordinator.corpus import Corpus
from coordinator.values import Query, ShardMatches
from index_format.manifest import IndexManifest

INDEX = IndexManifest(1, "id", 2, 1, 100, 10, "tokenizer.json", "f" * 64, 300, "", "", "")
CORPUS = Corpus("c", "C", "", INDEX)
HELD = HeldShard(0, "id", 1, 2, "f" * 64, 100, 10)
_NONE = np.zeros(0, np.uint32)
QUERY = Query("", _NONE, _NONE, _NONE, _NONE)


NEVER = 1e9
"""Seconds that no test waits."""


def fault(status: str = "UNAVAILABLE", after_s: float = 0.001) -> tuple[float, Exception]:
    """Returns a plan's entry that fails."""
    return after_s, TryFailedError(status, "made up")


def now() -> float:
    """Returns the time of the running loop, in seconds."""
    return asyncio.get_running_loop().time()


class FakeLink:
    """A link whose state a test sets."""

    def __init__(self, address: str, *held: HeldShard):
        self.address = address
        self.calls_in_flight = 0
        self.state = LinkState("serving", "", held or (HELD,), 1, 1)
        self.listeners: list[Callable[[], None]] = []
        self.num_looks = 0

    def subscribe(self, listener: Callable[[], None]) -> None:
        self.listeners.append(listener)

    def unsubscribe(self, listener: Callable[[], None]) -> None:
        self.listeners.remove(listener)

    def look_again(self) -> None:
        self.num_looks += 1

    def become(
        self, kind: Literal["connecting", "serving", "not_serving", "unreachable"], reason: str = "", **changes: Any
    ) -> None:
        """Changes the state and tells the listeners."""
        self.state = replace(self.state, kind=kind, reason=reason, **changes)
        for listener in list(self.listeners):
            listener()

    def lose(self) -> None:
        """The connection breaks."""
        self.become("unreachable", "connection refused", held=())

    def connect(self) -> None:
        """The server comes back, over another connection."""
        number = self.state.connection + 1
        self.become("serving", held=(HELD,), connection=number, description=self.state.description + 1)


def answer(who: int) -> ShardMatches:
    """Returns an answer that shows who gave it."""
    none: Any = _NONE
    return ShardMatches(("c", 0), none, none, none, none, none, num_tokens=who)  # type: ignore[arg-type]


@dataclass
class FakeServer:
    """A server: each call takes the next of ``plan``, and the last for ever.

    An entry is seconds until the answer, or seconds and the error in place of it.
    """

    number: int
    plan: list[float | tuple[float, Exception]] = field(default_factory=lambda: [0.001])
    timeouts: list[float] = field(default_factory=list)
    begun_at: list[float] = field(default_factory=list)
    num_cancelled: int = 0
    num_running: int = 0
    most_running: int = 0

    async def longest_matches(self, query: Query, timeout_s: float) -> ShardMatches:
        entry = self.plan.pop(0) if len(self.plan) > 1 else self.plan[0]
        seconds, error = entry if isinstance(entry, tuple) else (entry, None)
        self.timeouts.append(timeout_s)
        self.begun_at.append(asyncio.get_running_loop().time())
        self.num_running += 1
        self.most_running = max(self.most_running, self.num_running)
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.sleep(seconds)
        except TimeoutError:
            raise TryFailedError("DEADLINE_EXCEEDED", f"no answer within {timeout_s:.3g} s") from None
        except asyncio.CancelledError:
            self.num_cancelled += 1
            raise
        finally:
            self.num_running -= 1
        if error is not None:
            raise error
        return answer(self.number)

    async def get_windows(self, windows: Any, timeout_s: float) -> Any:
        raise AssertionError("not of this test")

    async def get_document(self, number: int, start: int, max_tokens: int, timeout_s: float) -> Any:
        raise AssertionError("not of this test")


class Recorder:
    """An observer that keeps what it is told, as tuples that begin with the name of the event."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def __getattr__(self, event: str) -> Callable[..., None]:
        return lambda *values: self.told.append((event, *values))

    def of(self, event: str) -> list[tuple[Any, ...]]:
        """Returns the values of each event of this name, in order."""
        return [values for name, *values in self.told if name == event]  # type: ignore[misc]


class Shard:
    """A replica set over fake servers, numbered from 0; make it in a running loop."""

    def __init__(self, *plans: list[float | tuple[float, Exception]], **settings: Any):
        self.servers = [FakeServer(number, list(plan)) for number, plan in enumerate(plans)]
        self.links = [FakeLink(f"h:{number}") for number in range(len(plans))]
        self.recorder = Recorder()
        observer: ClusterObserver = self.recorder  # type: ignore[assignment]  # it takes every event
        self.set = ReplicaSet(
            CORPUS,
            0,
            list(zip(self.links, self.servers, strict=True)),
            ClusterSettings(**{"hedge_start_ms": 50, "reconnect_grace_ms": 0, **settings}),
            observer,
            asyncio.get_running_loop().time,
        )
        self.set.speak()

    async def ask(self, deadline_s: float = 10.0) -> int:
        """Returns which server answered."""
        return (await self.set.longest_matches(QUERY, deadline_s)).num_tokens

    @property
    def num_calls(self) -> list[int]:
        """Calls to each server so far."""
        return [len(server.timeouts) for server in self.servers]
