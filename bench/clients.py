"""Concurrent clients of one engine, each a process with the index opened, as a coordinator's replicas are."""

import multiprocessing
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Barrier
from pathlib import Path
from time import perf_counter
from typing import TypeAlias

from bench.conversations import Conversation
from bench.errors import BenchError

Spans: TypeAlias = list[tuple[int, int, int]]
"""Kept spans ``(start, end, count)``."""

Tracer: TypeAlias = Callable[[Conversation], Spans]
"""Does a whole trace."""

_LONGEST_S = 600.0


@dataclass(frozen=True, slots=True)
class Load:
    """What the clients are to do.

    Attributes:
        open_tracer: Opens the index in a client; importable by name, since each client is a fresh interpreter.
        directory: The index.
        conversations: Traced in turn, shared out over the clients.
        expected: Kept spans of each, which every answer is held against.
        seconds: The least time to run for. Clients stop after the round over all conversations in which it ends, so
            that whoever is faster has the same mix of answers.
        warm_up: Traces that each client does before the clock starts.
    """

    open_tracer: Callable[[Path], Tracer]
    directory: Path
    conversations: Sequence[Conversation]
    expected: Sequence[Spans]
    seconds: float
    warm_up: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """Requests a second of all clients together, and how many answers were wrong."""

    requests_per_second: float
    num_requests: int
    num_wrong: int


@dataclass(frozen=True, slots=True)
class _Done:
    began: float
    ended: float
    num_requests: int
    num_wrong: int


def run_clients(load: Load, num_clients: int) -> Outcome:
    """Runs the clients to the end of the load.

    Raises:
        BenchError: a client failed, or did not come to an end.
    """
    context = multiprocessing.get_context("spawn")
    barrier, taken = context.Barrier(num_clients), context.Value("q", 0)
    errors: list[BaseException] = []
    with context.Pool(num_clients, _prepare, (load, barrier, taken)) as pool:
        started = [pool.apply_async(_client, error_callback=errors.append) for _ in range(num_clients)]
        for client in started:
            client.wait(_LONGEST_S)
        # A client that fails breaks the barrier that the others wait at; theirs are not the errors to tell.
        if errors:
            first = min(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError))
            raise BenchError(f"{load.directory}: one of {num_clients} clients failed: {first!r}") from first
        if not all(client.ready() for client in started):
            raise BenchError(f"{load.directory}: {num_clients} clients did not end within {_LONGEST_S} s each")
        done = [client.get() for client in started]
    num_requests = sum(one.num_requests for one in done)
    seconds = max(one.ended for one in done) - min(one.began for one in done)
    return Outcome(num_requests / seconds, num_requests, sum(one.num_wrong for one in done))


class _Shared:
    """What `_prepare` leaves for `_client`, in a process that serves one load only."""

    load: Load
    barrier: Barrier
    taken: "Synchronized[int]"


def _prepare(load: Load, barrier: Barrier, taken: "Synchronized[int]") -> None:
    _Shared.load, _Shared.barrier, _Shared.taken = load, barrier, taken


def _client() -> _Done:
    load, taken = _Shared.load, _Shared.taken
    try:
        trace = load.open_tracer(load.directory)
        for conversation in load.conversations[: load.warm_up]:
            trace(conversation)
    except BaseException:
        _Shared.barrier.abort()
        raise
    _Shared.barrier.wait(_LONGEST_S)
    began = perf_counter()
    num_requests = num_wrong = 0
    while (number := _next(taken, len(load.conversations), perf_counter() - began >= load.seconds)) >= 0:
        num_wrong += trace(load.conversations[number]) != load.expected[number]
        num_requests += 1
    return _Done(began, perf_counter(), num_requests, num_wrong)


def _next(taken: "Synchronized[int]", per_round: int, time_is_up: bool) -> int:
    """Returns the conversation to trace next, or -1 if the time was up at the end of a round (then for everybody)."""
    with taken.get_lock():
        number = taken.value
        if number < 0 or (time_is_up and number > 0 and number % per_round == 0):
            taken.value = -1
            return -1
        taken.value = number + 1
        return number % per_round
