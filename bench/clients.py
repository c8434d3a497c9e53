"""Concurrent clients of one engine: each has one request in flight, and a process a core does them.

So a service runs: as many replicas as there are cores, each with the index opened; what they cannot do at once waits.
"""

import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
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
        open_tracer: Opens the index in a worker; importable by name, since each worker is a fresh interpreter.
        directory: The index.
        conversations: Traced in turn, shared out over the clients.
        expected: Kept spans of each, which every answer is held against.
        seconds: The least time to run for. Clients stop after the round over all conversations in which it ends, so
            that whoever is faster has the same mix of answers.
        warm_up: Traces that each worker does before the clock starts.
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


def run_clients(load: Load, num_clients: int) -> Outcome:
    """Runs the clients to the end of the load.

    Raises:
        BenchError: a worker could not open the index, or did not come to an end.
    """
    context = multiprocessing.get_context("spawn")
    num_workers = min(num_clients, len(os.sched_getaffinity(0)))
    barrier = context.Barrier(num_workers)
    with ProcessPoolExecutor(num_workers, context, _prepare, (load, barrier)) as workers:
        _open_all(workers, num_workers, load)
        turns = _Turns(len(load.conversations), load.seconds)
        with ThreadPoolExecutor(num_clients, thread_name_prefix="client") as clients:
            wrong = [clients.submit(_client, workers, turns) for _ in range(num_clients)]
            num_wrong = sum(one.result() for one in wrong)
        seconds = perf_counter() - turns.began
    return Outcome(turns.taken / seconds, turns.taken, num_wrong)


def _open_all(workers: ProcessPoolExecutor, num_workers: int, load: Load) -> None:
    # Each worker waits for the others, so that each takes one of these.
    opened = [workers.submit(_open) for _ in range(num_workers)]
    errors = [error for one in opened if (error := one.exception(_LONGEST_S)) is not None]
    if errors:
        # A worker that fails breaks the barrier that the others wait at; theirs are not the errors to tell.
        first = min(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError))
        raise BenchError(f"{load.directory}: one of {num_workers} workers failed: {first!r}") from first


def _client(workers: ProcessPoolExecutor, turns: "_Turns") -> int:
    """Has one request in flight until the time is up, and returns how many answers were wrong."""
    num_wrong = 0
    while (number := turns.next()) is not None:
        num_wrong += not workers.submit(_is_right, number).result(_LONGEST_S)
    return num_wrong


class _Turns:
    """Hands the conversations out in turn, in whole rounds, until the time is up."""

    def __init__(self, per_round: int, seconds: float) -> None:
        self.taken = 0
        self.began = perf_counter()
        self._per_round = per_round
        self._seconds = seconds
        self._over = False
        self._lock = threading.Lock()

    def next(self) -> int | None:
        """Returns the number of the next conversation; None at the end of the round in which the time was up."""
        with self._lock:
            number = self.taken % self._per_round
            if self.taken > 0 and number == 0 and perf_counter() - self.began >= self._seconds:
                self._over = True
            if self._over:
                return None
            self.taken += 1
            return number


class _Worker:
    """What a worker's process holds."""

    load: Load
    barrier: Barrier
    trace: Tracer


def _prepare(load: Load, barrier: Barrier) -> None:
    _Worker.load, _Worker.barrier = load, barrier


def _open() -> None:
    load = _Worker.load
    try:
        _Worker.trace = staticmethod(load.open_tracer(load.directory))
        for conversation in load.conversations[: load.warm_up]:
            _Worker.trace(conversation)
    except BaseException:
        _Worker.barrier.abort()
        raise
    _Worker.barrier.wait(_LONGEST_S)


def _is_right(number: int) -> bool:
    return _Worker.trace(_Worker.load.conversations[number]) == _Worker.load.expected[number]
