"""A coordinator over a made-up cluster that answers when it is told to: what tests of the service need."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from coordinator.cluster.serving import Serving
from coordinator.config import CoordinatorConfig
from coordinator.errors import DocumentNotFoundError
from coordinator.metrics import CoordinatorMetrics
from coordinator.read_counts import NO_READS, TraceStats
from coordinator.requests import CountRequest, TraceRequest
from coordinator.results import (
    CorpusCoverage,
    Count,
    Coverage,
    Document,
    DocumentText,
    Relevance,
    Snippet,
    Timings,
    Trace,
    TraceEvent,
)
from coordinator.service import Coordinator
from coordinator.streaming import events_of
from coordinator.values import DocumentId, FailedShard, ShardId
from runtime.listener import Readiness


def trace_for(answer: str, complete: bool = True) -> Trace:
    failed = () if complete else (FailedShard(ShardId("pre", 1), "gone"),)
    part = CorpusCoverage("pre", "1f", 2, 2 - len(failed), 100, 50 if failed else 100, failed)
    return Trace(
        answer=answer,
        num_tokens=len(answer.split()),
        spans=(),
        merged_spans=(),
        documents=(
            Document(
                id=DocumentId("pre", 0, 1),
                corpus="pre",
                stage="s",
                source="",
                url="",
                metadata={"a": 1},
                num_tokens=9,
                start=0,
                end=9,
                text="a text",
                score=1.5,
                relevance_score=0.5,
                relevance=Relevance.HIGH,
                snippets=(Snippet("a text", 0, 1, 0, 0, 1),),
                spans=(),
            ),
        ),
        num_maximal_spans=0,
        coverage=Coverage(complete, not complete, 1.0 if complete else 0.5, (part,)),
        timings=Timings(1, 2, 3, 4, 5, 15),
        stats=TraceStats(3, 2.0, NO_READS, NO_READS),
    )


@dataclass
class FakePipeline:
    """Answers when it is let, and remembers what it was asked."""

    complete: bool = True
    asked: list[str] = field(default_factory=list)
    deadlines: list[float] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    was_cancelled: bool = False

    async def trace(self, request: TraceRequest, deadline_s: float) -> Trace:
        self.asked.append(request.answer)
        self.deadlines.append(deadline_s)
        await self.go.wait()
        return trace_for(request.answer, self.complete)

    async def stream(self, request: TraceRequest, deadline_s: float) -> AsyncGenerator[TraceEvent, None]:
        self.asked.append(request.answer)
        try:
            for event in events_of(trace_for(request.answer, self.complete)):
                yield event
                await self.go.wait()
        except GeneratorExit:
            self.was_cancelled = True
            raise

    async def count(self, request: CountRequest, deadline_s: float) -> Count:
        self.asked.append(request.text)
        await self.go.wait()
        return Count(3, 5, trace_for("x").coverage)

    async def get_document(self, id: DocumentId, *_asked: Any) -> DocumentText:
        await self.go.wait()
        if id.number:
            raise DocumentNotFoundError("there is none")
        return DocumentText(id, "pre", "s", "", "", 9, 0, 9, "text", {})


@dataclass
class FakeServing:
    """Says which generation answers."""

    pipeline: FakePipeline
    key: tuple[tuple[str, str, str, str], ...] = (("pre", "s", "1f", ""),)
    lost: dict[ShardId, str] = field(default_factory=dict)
    is_withholding: bool = False

    @asynccontextmanager
    async def current(self) -> AsyncIterator[Any]:
        yield SimpleNamespace(pipeline=self.pipeline, key=self.key)

    def withholds(self, corpora: Any) -> bool:
        return self.is_withholding and (not corpora or "pre" in corpora)

    on = Serving.on
    stream_on = Serving.stream_on

    async def _wait_for_takedowns(self, timeout_s: float) -> None:
        raise AssertionError("not of this test")

    def readiness(self) -> Readiness:
        return Readiness(True)

    def lost_shards(self) -> dict[ShardId, str]:
        return self.lost

    def searchable_by_corpus(self) -> dict[str, float]:
        return {"pre": 1.0, "post": 0.75 if self.lost else 1.0}

    async def close(self) -> None:
        return None


@dataclass
class Bench:
    """A coordinator, and what it stands on."""

    coordinator: Coordinator
    pipeline: FakePipeline
    serving: FakeServing

    def value(self, name: str, **labels: str) -> float:
        registry = self.coordinator.metrics.registry
        return registry.get_sample_value(f"headwater_coordinator_{name}", labels) or 0.0


def run(scenario: Callable[[Bench], Awaitable[None]], *, go: bool = True, **settings: Any) -> None:
    async def whole() -> None:
        pipeline = FakePipeline()
        if go:
            pipeline.go.set()
        served = FakeServing(pipeline)
        config = CoordinatorConfig(cluster_file=Path("/none"), **settings)
        coordinator = Coordinator(cast(Serving, served), config, CoordinatorMetrics())
        try:
            await scenario(Bench(coordinator, pipeline, served))
        finally:
            await coordinator.close()

    asyncio.run(whole())


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def events(coordinator: Coordinator, request: TraceRequest) -> list[TraceEvent]:
    async with aclosing(coordinator.trace_stream(request)) as told:
        return [event async for event in told]


REQUEST = TraceRequest("an answer of five words")
