"""The coordinator over a pipeline that does what a test says: admission, the cache and what is counted."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from coordinator.api.caller import Caller, serving
from coordinator.cluster.serving import Serving
from coordinator.config import CoordinatorConfig
from coordinator.errors import DocumentNotFoundError, InvalidRequestError, OverloadedError, RateLimitedError
from coordinator.metrics import CoordinatorMetrics
from coordinator.read_counts import NO_READS, TraceStats
from coordinator.readiness import CorpusReadiness
from coordinator.readiness import Readiness as ServiceReadiness
from coordinator.requests import CountRequest, TraceRequest
from coordinator.results import (
    CorpusCoverage,
    Count,
    Coverage,
    Document,
    DocumentText,
    Ranking,
    Relevance,
    Snippet,
    Timings,
    Trace,
    TraceEvent,
)
from coordinator.service import Coordinator
from coordinator.streaming import events_of, trace_of
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
    key: tuple[tuple[str, str, str], ...] = (("pre", "s", "1f"),)
    lost: dict[ShardId, str] = field(default_factory=dict)

    @asynccontextmanager
    async def current(self) -> AsyncIterator[Any]:
        yield SimpleNamespace(pipeline=self.pipeline, key=self.key)

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


def test_an_equal_request_gets_the_earlier_answer_marked_as_such_in_every_form() -> None:
    async def scenario(bench: Bench) -> None:
        first = await bench.coordinator.trace(REQUEST)
        assert first == trace_for(REQUEST.answer)
        expected = replace(first, cached=True)
        assert await bench.coordinator.trace(REQUEST) == expected
        assert trace_of(REQUEST.answer, await events(bench.coordinator, REQUEST)) == expected
        response = await bench.coordinator.trace_response(REQUEST)
        assert response.trace.cached
        assert response.trace.documents[0].text == "a text"
        assert len(bench.pipeline.asked) == 1
        assert bench.value("cache_total", outcome="hit") == 3
        assert bench.value("cache_total", outcome="miss") == 1
        assert bench.value("answer_tokens_total") == 5
        assert bench.value("request_seconds_count", method="Trace", code="OK") == 3

    run(scenario)


def test_a_stream_fills_the_cache_too() -> None:
    async def scenario(bench: Bench) -> None:
        told = await events(bench.coordinator, REQUEST)
        assert isinstance(told[-1], Ranking) and not told[-1].cached
        assert (await bench.coordinator.trace(REQUEST)).cached
        assert len(bench.pipeline.asked) == 1

    run(scenario)


def test_another_generation_is_asked_anew() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.coordinator.trace(REQUEST)
        bench.serving.key = (("pre", "s", "2a"),)
        assert not (await bench.coordinator.trace(REQUEST)).cached
        assert len(bench.pipeline.asked) == 2

    run(scenario)


@pytest.mark.parametrize("settings", [{}, {"result_cache_bytes": 0}])
def test_an_incomplete_answer_is_never_kept_nor_any_without_a_cache(settings: dict[str, Any]) -> None:
    async def scenario(bench: Bench) -> None:
        bench.pipeline.complete = bool(settings)
        for _ in range(2):
            assert not (await bench.coordinator.trace(REQUEST)).cached
            await events(bench.coordinator, REQUEST)
        assert len(bench.pipeline.asked) == 4
        assert bench.value("incomplete_answers_total", corpus="pre") == (0 if settings else 4)
        assert bench.value("cache_bytes") == 0

    run(scenario, **settings)


def test_equal_requests_at_the_same_time_take_one_turn() -> None:
    async def scenario(bench: Bench) -> None:
        tasks = [asyncio.create_task(bench.coordinator.trace(REQUEST)) for _ in range(10)]
        await settled()
        bench.pipeline.go.set()
        found = await asyncio.gather(*tasks)
        assert [trace.cached for trace in found] == [False] + [True] * 9
        assert len(bench.pipeline.asked) == 1
        assert bench.value("cache_total", outcome="shared") == 9

    run(scenario, go=False, max_running_requests=1, max_queued_requests=0)


def test_one_that_waits_for_an_equal_request_keeps_its_own_deadline() -> None:
    async def scenario(bench: Bench) -> None:
        leading = asyncio.create_task(bench.coordinator.trace(REQUEST))
        await settled()
        with pytest.raises(OverloadedError, match="an equal request is still worked on"):
            await bench.coordinator.trace(REQUEST, timeout_ms=20)
        bench.pipeline.go.set()
        await leading

    run(scenario, go=False)


def test_traces_counts_documents_and_streams_share_the_turns() -> None:
    async def scenario(bench: Bench) -> None:
        coordinator = bench.coordinator
        running = asyncio.create_task(events(coordinator, TraceRequest("one")))
        await settled()
        waiting = asyncio.create_task(coordinator.count(CountRequest("two")))
        await settled()
        assert (bench.value("running_requests"), bench.value("queued_requests")) == (1, 1)
        refused: list[Awaitable[object]] = [
            coordinator.trace(TraceRequest("three")),
            coordinator.count(CountRequest("four")),
            coordinator.get_document(DocumentId("pre", 0, 0)),
            events(coordinator, TraceRequest("five")),
        ]
        for each in refused:
            with pytest.raises(OverloadedError) as raised:
                await each
            assert raised.value.retry_after_s > 0
        assert bench.value("refused_total", reason="queue_full") == 4
        bench.pipeline.go.set()
        await asyncio.gather(running, waiting)
        assert bench.pipeline.asked == ["one", "two"]

    run(scenario, go=False, max_running_requests=1, max_queued_requests=1)


def test_what_the_queue_took_of_the_time_is_not_given_to_the_shards() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.coordinator.trace(REQUEST, timeout_ms=5_000)
        await bench.coordinator.trace(TraceRequest("more"), timeout_ms=10**9)
        await bench.coordinator.trace(TraceRequest("none"))
        given = bench.pipeline.deadlines
        assert given[0] < 5.0
        assert given[1] == pytest.approx(60.0, abs=1.0)
        assert given[2] == pytest.approx(20.0, abs=1.0)

    run(scenario, default_timeout_ms=20_000, max_timeout_ms=60_000)


def test_an_invalid_request_takes_no_turn() -> None:
    async def scenario(bench: Bench) -> None:
        running = asyncio.create_task(bench.coordinator.trace(REQUEST))
        await settled()
        for request in (TraceRequest(" "), TraceRequest("x" * 101)):
            with pytest.raises(InvalidRequestError):
                await bench.coordinator.trace(request)
            with pytest.raises(InvalidRequestError):
                await events(bench.coordinator, request)
            with pytest.raises(InvalidRequestError):
                await bench.coordinator.count(CountRequest(request.answer))
        assert bench.value("request_seconds_count", method="Trace", code="INVALID_ARGUMENT") == 2
        bench.pipeline.go.set()
        await running

    run(scenario, go=False, max_running_requests=1, max_queued_requests=0, max_answer_chars=100)


def test_a_stream_that_is_left_gives_its_turn_back_and_stops_the_work() -> None:
    async def scenario(bench: Bench) -> None:
        told = bench.coordinator.trace_stream(REQUEST)
        await anext(told)
        assert bench.value("running_requests") == 1
        await told.aclose()
        assert bench.pipeline.was_cancelled
        assert bench.value("running_requests") == 0
        assert bench.value("request_seconds_count", method="TraceStream", code="CANCELLED") == 1

    run(scenario, go=False)


def test_each_client_has_its_own_rate_and_pays_for_the_tokens_that_its_answers_have() -> None:
    async def ask(bench: Bench, client: str, words: int) -> None:
        with serving(Caller("id", client)):
            # Long words: the estimate is far above the tokens that the answer turns out to have.
            await bench.coordinator.trace(TraceRequest(" ".join(["incomprehensibilities"] * words)))

    async def scenario(bench: Bench) -> None:
        for _ in range(8):
            await ask(bench, "a", 10)  # 71 tokens by estimate, 10 in truth
        with pytest.raises(RateLimitedError) as raised:
            await ask(bench, "a", 10)
        assert raised.value.retry_after_s > 1
        assert bench.value("refused_total", reason="rate_limit") == 1
        await ask(bench, "b", 10)
        await ask(bench, "", 10)
        assert bench.value("rate_limit_clients") == 3

    run(scenario, rate_limit_tokens_per_s=0.1, rate_limit_burst_tokens=150)


def test_a_document_that_is_not_there_costs_its_client_a_token() -> None:
    async def scenario(bench: Bench) -> None:
        for _ in range(10):
            with pytest.raises(DocumentNotFoundError):
                await bench.coordinator.get_document(DocumentId("pre", 0, 1), max_tokens=80)
        with pytest.raises(RateLimitedError):
            await bench.coordinator.get_document(DocumentId("pre", 0, 0), max_tokens=95)
        await bench.coordinator.get_document(DocumentId("pre", 0, 0), max_tokens=85)

    run(scenario, rate_limit_tokens_per_s=0.1, rate_limit_burst_tokens=100)


def test_a_prompt_costs_its_client_too_and_a_request_without_a_turn_nothing() -> None:
    async def scenario(bench: Bench) -> None:
        running = asyncio.ensure_future(bench.coordinator.trace(REQUEST))
        await settled()
        for number in range(20):
            with pytest.raises(OverloadedError, match="no more can"):
                await bench.coordinator.trace(TraceRequest(f"answer {number}", "x" * 120))
        bench.pipeline.go.set()
        await running
        await bench.coordinator.trace(TraceRequest("an answer", "x" * 120))
        with pytest.raises(RateLimitedError):
            await bench.coordinator.trace(TraceRequest("another answer", "x" * 180))

    run(
        scenario,
        go=False,
        max_running_requests=1,
        max_queued_requests=0,
        rate_limit_tokens_per_s=0.01,
        rate_limit_burst_tokens=100,
    )


def test_the_rate_is_shared_out_over_the_replicas() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.coordinator.trace(TraceRequest("x" * 40))
        with pytest.raises(RateLimitedError, match="more tokens than it may for now"):
            for number in range(50):
                await bench.coordinator.trace(TraceRequest(f"{number}" + "x" * 40))

    run(scenario, rate_limit_tokens_per_s=0.04, rate_limit_burst_tokens=80, num_replicas=4)


def test_readiness_says_which_corpus_misses_what() -> None:
    async def scenario(bench: Bench) -> None:
        bench.serving.lost = {ShardId("post", 3): "10.0.0.1:7001: connection refused"}
        assert bench.coordinator.readiness() == ServiceReadiness(
            True,
            (CorpusReadiness("pre", 1.0), CorpusReadiness("post", 0.75, "post:3: 10.0.0.1:7001: connection refused")),
        )
        assert bench.coordinator.probe().is_ready

    run(scenario)


def test_a_coordinator_whose_event_loop_does_not_run_is_not_ready() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.coordinator.close()
        assert not bench.coordinator.probe().is_ready
        assert not bench.coordinator.is_alive

    run(scenario)
