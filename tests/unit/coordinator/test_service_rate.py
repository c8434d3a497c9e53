"""The rate limit of the service: who pays, and for what."""

import asyncio

import pytest

from coordinator.api.caller import Caller, serving
from coordinator.errors import DocumentNotFoundError, OverloadedError, RateLimitedError
from coordinator.requests import TraceRequest
from coordinator.values import DocumentId
from tests.unit.coordinator.service_bench import REQUEST, Bench, run, settled


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
