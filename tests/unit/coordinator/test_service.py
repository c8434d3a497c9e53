"""The coordinator over a pipeline that does what a test says: admission, the cache and what is counted."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

import pytest

from coordinator.errors import InvalidRequestError, OverloadedError
from coordinator.readiness import CorpusReadiness
from coordinator.readiness import Readiness as ServiceReadiness
from coordinator.requests import CountRequest, TraceRequest
from coordinator.results import Ranking
from coordinator.streaming import trace_of
from coordinator.values import DocumentId, ShardId
from tests.unit.coordinator.service_bench import REQUEST, Bench, events, run, settled, trace_for


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
        bench.serving.key = (("pre", "s", "2a", ""),)
        assert not (await bench.coordinator.trace(REQUEST)).cached
        assert len(bench.pipeline.asked) == 2

    run(scenario)


@pytest.mark.parametrize("form", ["whole", "stream"])
def test_an_answer_of_a_generation_that_was_replaced_meanwhile_is_not_kept(form: str) -> None:
    async def scenario(bench: Bench) -> None:
        asking = events(bench.coordinator, REQUEST) if form == "stream" else bench.coordinator.trace(REQUEST)
        late = asyncio.create_task(asking)
        await settled()
        bench.serving.key = (("pre", "s", "1f", "something is taken down"),)
        bench.pipeline.go.set()
        await late
        assert bench.value("cache_bytes") == 0

    run(scenario, go=False)


def test_the_cache_is_emptied_when_something_is_taken_down_even_if_nobody_asks() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.coordinator.trace(REQUEST)
        assert bench.value("cache_bytes") > 0
        bench.serving.key = (("pre", "s", "1f", "something is taken down"),)
        for _ in range(2_000):
            if not bench.value("cache_bytes"):
                return
            await asyncio.sleep(0.01)
        pytest.fail("the cache still holds the answer")

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
