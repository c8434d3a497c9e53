"""Traces that never stop while something happens to the servers: what each answered, and how long it took."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

from coordinator.cluster.serving import Serving
from coordinator.requests import TraceOptions, TraceRequest
from coordinator.results import Trace

TEXTS = (
    "The quick brown fox jumps over the lazy dog near the river bank.",
    "A slow green turtle walks under the old stone bridge, naïvely.",
    "Nobody saw the quick brown fox jumps over the lazy dog, or so they say.",
    "Every morning the baker sells warm bread near the river bank.",
)
ANSWER = "They say the quick brown fox jumps over the lazy dog while the baker sells warm bread near the river bank."
OPTIONS = TraceOptions(max_span_density=1.0)
DEADLINE_S = 100.0
"""So long that one try of a call, which has a part of it, outlasts any pause of a busy machine."""
REQUEST = TraceRequest(ANSWER, "What did the fox do?", OPTIONS)


def untimed(trace: Trace) -> Trace:
    """Returns a trace without what two equal requests may differ in."""
    return replace(trace, timings=None)  # type: ignore[arg-type]


@dataclass
class TraceLoad:
    """What came of the traces so far; the fields grow while the load runs."""

    answers: list[Trace] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def more(self, num_traces: int) -> None:
        """Returns when so many more traces have ended."""
        wanted = len(self.seconds) + num_traces
        async with asyncio.timeout(60):
            while len(self.seconds) < wanted:
                self._arrived.clear()
                await self._arrived.wait()

    async def _ask(self, serving: Serving, deadline_s: float) -> None:
        while True:
            began = time.perf_counter()
            try:
                async with serving.current() as generation:
                    self.answers.append(untimed(await generation.pipeline.trace(REQUEST, deadline_s)))
            except Exception as error:
                self.errors.append(error)
                await asyncio.sleep(0.01)
            finally:  # also if the load ends first: what hangs until then counts too
                self.seconds.append(time.perf_counter() - began)
                self._arrived.set()

    def incomplete(self) -> list[Trace]:
        """Returns the answers that miss a shard."""
        return [answer for answer in self.answers if not answer.coverage.complete]


@contextlib.asynccontextmanager
async def traces(serving: Serving, num_callers: int = 8, deadline_s: float = DEADLINE_S) -> AsyncIterator[TraceLoad]:
    """Gives a load of ``num_callers`` traces at once while the block runs."""
    load = TraceLoad()
    callers = [asyncio.create_task(load._ask(serving, deadline_s)) for _ in range(num_callers)]
    try:
        yield load
    finally:
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
