"""The load generator: client processes that are started once, and steps of load that they send together."""

import datetime
import multiprocessing
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Any, Self

import numpy as np

from loadtest.arrivals import Arrivals
from loadtest.client_process import CONNECT_S, Order, Outcomes, main
from loadtest.errors import LoadTestError
from loadtest.measuring import measured_step
from loadtest.plan import MARGIN_S, Load
from loadtest.results import Configuration, Step
from loadtest.schedule import Pace, Requests, draw_requests
from loadtest.workloads import Mix, Workload

# Importing gRPC and making connections, on a busy machine.
_START_S = 60.0 + CONNECT_S
# From the order to its first request: it has to be handed over.
_LEAD_S = 0.3
# Reading the last answers, on a busy machine.
_SLACK_S = 60.0


class Generator:
    """Sends load while the ``with`` block runs.

    Attributes:
        began: Second 0 of the run, by `time.monotonic`.
        started_at: The same: UTC, ISO 8601.
    """

    def __init__(
        self,
        load: Load,
        mix: Mix,
        seed: int,
        *,
        good_within_ms: float = float("inf"),
        on_records: Callable[[list[object]], None] | None = None,
    ):
        """Takes what to send; nothing is started yet.

        Args:
            load: What is asked, of whom.
            mix: How the kinds of requests are mixed.
            seed: Of which request is due when.
            good_within_ms: An answer that comes later is not good.
            on_records: Is given what the load's observer keeps, about every second.

        Raises:
            LoadTestError: a number of the load makes no sense.
        """
        load.check()
        self._load = load
        self._mix = mix
        self._random = np.random.default_rng(seed)
        self._good_within_ms = good_within_ms
        self._on_records = on_records or (lambda _: None)
        self._processes: list[SpawnProcess] = []
        self._pipes: list[Connection[Any, Any]] = []
        self._num_requests = 0
        self._num_fresh = 0
        self._repeated: set[tuple[int, int]] = set()
        self._seed = seed
        self.began = 0.0
        self.started_at = ""

    def configuration(self, arrivals: Arrivals) -> Configuration:
        """Returns what is sent, as the results say it."""
        load = self._load
        return Configuration(
            target=load.access.target,
            protocol=load.access.protocol,
            tls=load.access.tls,
            with_key=load.access.api_key is not None,
            arrivals=arrivals,
            workloads={workload.value: share for workload, share in self._mix.shares.items()},
            hot_share=self._mix.hot_share,
            seed=self._seed,
            timeout_s=load.timeout_s,
            processes=load.processes,
            connections=load.connections,
            in_flight_limit=load.in_flight_limit,
            documents=len(load.texts.cuts.documents) if load.texts.cuts is not None else 0,
        )

    def told_of_texts(self) -> str:
        """Returns how many texts were asked, in words: an index larger than memory is fast where they are few."""
        cuts = self._load.texts.cuts
        source = f", cut from {len(cuts.documents):,} documents" if cuts is not None and self._num_fresh else ""
        return f"{self._num_fresh:,} texts were asked once{source}; {len(self._repeated):,} again and again"

    def __enter__(self) -> Self:
        context = multiprocessing.get_context("spawn")
        try:
            for number in range(self._load.processes):
                ours, theirs = context.Pipe()
                process = context.Process(
                    target=main, args=(self._load, number, theirs), name=f"load-{number}", daemon=True
                )
                process.start()
                theirs.close()
                self._processes.append(process)
                self._pipes.append(ours)
            self._collect("ready", _START_S)
        except BaseException:
            self._end()
            raise
        self.began = time.monotonic()
        self.started_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            for pipe in self._pipes:
                pipe.send(None)
            for process in self._processes:
                process.join(MARGIN_S)
        self._end()

    def run(self, pace: Pace) -> Step:
        """Sends one step of load and returns what was measured, once every request has its outcome.

        Raises:
            LoadTestError: there would be too many requests, or a client process ended.
        """
        requests = draw_requests(pace, self._mix, self._load.texts, self._random, self._num_requests + 1)
        self._num_requests += len(requests)
        self._count_texts(requests)
        start = time.monotonic() + _LEAD_S
        of = len(self._pipes)
        for number, pipe in enumerate(self._pipes):
            pipe.send(Order(start, requests.part(number, of)))
        longest_s = pace.warm_up_s + pace.seconds + self._load.timeout_s + MARGIN_S + _SLACK_S
        parts: list[Outcomes] = self._collect("done", longest_s)
        return measured_step(
            pace,
            requests,
            joined(requests, parts),
            began_s=start - self.began + pace.warm_up_s,
            in_flight_limit=self._load.in_flight_limit,
            processes=of,
            good_within_ms=self._good_within_ms,
        )

    def _count_texts(self, requests: Requests) -> None:
        texts, kinds = self._load.texts, list(Workload)
        rows = zip(requests.workload.tolist(), requests.text.tolist(), requests.serial.tolist(), strict=True)
        for kind, text, serial in rows:
            if serial and texts.is_made(kinds[kind], text):
                self._num_fresh += 1
            else:
                self._repeated.add((kind, text))

    def _collect(self, word: str, longest_s: float) -> list[Any]:
        """Returns what each process says with ``word``, in their order; hands on the records that come before.

        Raises:
            LoadTestError: a process failed, ended, or did not say it in time.
        """
        deadline = time.monotonic() + longest_s
        said: dict[int, Any] = {}
        while len(said) < len(self._pipes):
            open_pipes = [pipe for number, pipe in enumerate(self._pipes) if number not in said]
            ready = wait(open_pipes, max(0.0, deadline - time.monotonic()))
            if not ready:
                raise LoadTestError(f"client processes did not say {word!r} within {longest_s:.0f} s")
            for pipe in open_pipes:
                if pipe not in ready:
                    continue
                try:
                    what, content = pipe.recv()
                except (EOFError, OSError):
                    raise LoadTestError("a client process ended without a word; its output says why") from None
                if what == "failed":
                    raise LoadTestError(content)
                if what == "records":
                    self._on_records(content)
                else:
                    said[self._pipes.index(pipe)] = content
        return [said[number] for number in range(len(self._pipes))]

    def _end(self) -> None:
        for process in self._processes:
            process.kill()
            process.join()
            process.close()
        for pipe in self._pipes:
            pipe.close()
        self._processes, self._pipes = [], []


def joined(requests: Requests, parts: Sequence[Outcomes]) -> Outcomes:
    """Returns the outcomes of all requests, of which each process had every n-th."""
    whole = Outcomes.of(len(requests))
    for number, part in enumerate(parts):
        own = slice(number, None, len(parts))
        for name in ("sent_s", "finished_s", "complete", "cached", "coverage"):
            getattr(whole, name)[own] = getattr(part, name)
        whole.code[own] = np.array([whole.index(code) for code in part.codes], dtype=np.uint8)[part.code]
    whole.cpu_share = max(part.cpu_share for part in parts)
    whole.most_in_flight = sum(part.most_in_flight for part in parts)
    return whole
