"""What keys are shown by the service: within their rates and budgets, from the pipeline and from the cache alike."""

import asyncio
from typing import Any

import pytest

from coordinator.access.keyring import KeyHolder, Limits
from coordinator.access.roles import Role
from coordinator.api.caller import Caller, serving
from coordinator.api.codec import decode_trace
from coordinator.errors import BudgetSpentError, RateLimitedError
from coordinator.requests import CountRequest, TraceRequest
from coordinator.results import Trace
from coordinator.streaming import trace_of
from coordinator.values import DocumentId
from tests.unit.coordinator.service_bench import REQUEST, Bench, events, run, settled


def caller(id: str = "a", **limits: Any) -> Caller:
    return Caller("r", id, KeyHolder(id, frozenset(Role), Limits(**limits)))


async def traced(bench: Bench, form: str) -> Trace:
    if form == "stream":
        return trace_of(REQUEST.answer, await events(bench.coordinator, REQUEST))
    if form == "message":
        return decode_trace(await bench.coordinator.trace_response(REQUEST))
    return await bench.coordinator.trace(REQUEST)


@pytest.mark.parametrize("form", ["values", "message", "stream"])
@pytest.mark.parametrize("result_cache_bytes", [0, 1_000_000])
def test_documents_over_the_budget_are_left_out_and_counted_cached_or_not(form: str, result_cache_bytes: int) -> None:
    async def scenario(bench: Bench) -> None:
        # Each trace shows a text and a snippet of 6 bytes.
        with serving(caller(document_bytes_per_hour=25)):
            for expected in (1, 1, 0, 0):
                trace = await traced(bench, form)
                assert (len(trace.documents), trace.withheld.documents) == (expected, 1 - expected)
        with serving(caller("b")):
            assert len((await traced(bench, form)).documents) == 1, "it is of one key alone"
        assert len((await traced(bench, form)).documents) == 1
        assert bench.value("budget_withheld_documents_total") == 2

    run(scenario, result_cache_bytes=result_cache_bytes)


@pytest.mark.parametrize("form", ["values", "message", "stream"])
def test_whoever_has_used_up_its_bytes_gets_no_trace_and_no_document_but_counts(form: str) -> None:
    async def scenario(bench: Bench) -> None:
        with serving(caller(document_bytes_per_hour=24)):
            for _ in range(2):
                await traced(bench, form)
            with pytest.raises(BudgetSpentError) as raised:
                await traced(bench, form)
            assert raised.value.retry_after_s > 3_000
            with pytest.raises(BudgetSpentError):
                await bench.coordinator.get_document(DocumentId("pre", 0, 0))
            await bench.coordinator.count(CountRequest("a"))
        assert bench.value("refused_total", reason="budget") == 2
        assert bench.value("running_requests") == 0

    run(scenario)


def test_windows_and_pages_of_one_document_count_together() -> None:
    async def scenario(bench: Bench) -> None:
        with serving(caller(tokens_of_a_document_per_day=9)):
            document = DocumentId("pre", 0, 0)
            assert (await bench.coordinator.get_document(document)).text == "text"  # [0, 9) of 9
            with pytest.raises(BudgetSpentError, match="tokens of this document"):
                await bench.coordinator.get_document(document, 10)

    run(scenario)


def test_a_page_that_others_have_used_up_meanwhile_is_not_shown() -> None:
    async def scenario(bench: Bench) -> None:
        with serving(caller(document_bytes_per_hour=6)):
            pages = [asyncio.create_task(bench.coordinator.get_document(DocumentId("pre", 0, 0))) for _ in range(5)]
            await settled()
            bench.pipeline.go.set()
            found = await asyncio.gather(*pages, return_exceptions=True)
            assert sorted(type(each).__name__ for each in found) == ["BudgetSpentError"] * 4 + ["DocumentText"]

    run(scenario, go=False, max_running_requests=5)


def test_a_key_may_have_a_rate_of_its_own() -> None:
    async def scenario(bench: Bench) -> None:
        async def ask(who: Caller, times: int) -> None:
            with serving(who):
                for number in range(times):
                    await bench.coordinator.trace(TraceRequest(f"{number}" + "x" * 60))

        await ask(caller("fast", tokens_per_s=0.0), 50)
        for slow in (caller("slow", tokens_per_s=0.001, burst_tokens=40), caller("all")):
            with pytest.raises(RateLimitedError):
                await ask(slow, 110)
        with pytest.raises(RateLimitedError):
            await ask(caller("slower", burst_tokens=2), 5)

    run(scenario, rate_limit_tokens_per_s=0.001, rate_limit_burst_tokens=100)
