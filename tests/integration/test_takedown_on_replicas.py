"""Documents taken down while traces run, on shards with two replicas and under two coordinators.

An answer is that of the index with the documents, or of one that never had them: never a mix of the two.
"""

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, TypeAlias

import pytest

import headwater
from coordinator.errors import (
    ConfigurationError,
    CoordinatorError,
    DocumentNotFoundError,
    GenerationGoneError,
    InvalidRequestError,
)
from coordinator.requests import CountRequest, TraceRequest
from coordinator.results import Trace
from coordinator.service import Coordinator
from coordinator.streaming import trace_of
from coordinator.takedowns import Takedown
from coordinator.values import DocumentId
from shard_server.errors import TakedownsFailedError
from shard_server.takedown_store import KeptTakedowns
from shard_server.takedowns import Takedowns as ServerTakedowns
from tests.integration.trace_load import ANSWER, OPTIONS, TEXTS
from tests.running_servers import coordinator, shard_server, until, unused_address, write_cluster_file
from tests.tiny_index import byte_level_tokenizer, write_index

NEW_TEXTS = (*TEXTS[1:], "They say the quick brown fox has gone over the old stone bridge.")
# One in each shard, so that half of the takedowns would show.
TAKEN_DOWN = (Takedown(id="first", document="default:0:0"), Takedown(id="second", document="default:1:1"))
LEFT = (TEXTS[1:2], TEXTS[2:3])
# In effect means within 5 s on machines that have time for it.
IN_EFFECT_S = 60.0

Shown: TypeAlias = tuple[Any, ...]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("old"), (TEXTS[:2], TEXTS[2:]))


def written(directory: Path, shards: Any) -> Path:
    return write_index(directory / "index", shards, byte_level_tokenizer(TEXTS, 300))


def shown(trace: Trace) -> Shown:
    """Returns what a trace says, without the numbers that documents have in one index only."""
    assert trace.coverage.complete
    spans = [(span.start, span.end, span.count, span.text, span.unigram_logprob_sum) for span in trace.spans]
    documents = sorted((document.text, document.num_tokens, document.spans) for document in trace.documents)
    return trace.num_maximal_spans, tuple(spans), tuple(documents)


def expected(index: Path) -> Shown:
    with headwater.open(index) as opened:
        return shown(opened.trace(ANSWER, "", OPTIONS))


_prompts = itertools.count()


def request() -> TraceRequest:
    """Returns a request that no cache knows."""
    return TraceRequest(ANSWER, f"prompt {next(_prompts)}", OPTIONS)


async def traced(asked: Coordinator) -> Shown:
    return shown(await asked.trace(request()))


async def streamed(asked: Coordinator) -> Shown:
    async with aclosing(asked.trace_stream(request())) as events:
        return shown(trace_of(ANSWER, [event async for event in events]))


async def known(asked: Coordinator) -> Shown:
    """Asks always the same, so that the answer is a cached one as often as can be."""
    return shown(await asked.trace(TraceRequest(ANSWER, "", OPTIONS)))


class Load:
    """Callers that never stop, and when each got what."""

    def __init__(self) -> None:
        self.answers: list[tuple[float, Coordinator, Shown]] = []
        self.errors: list[Exception] = []

    async def ask(self, ask: Callable[[Coordinator], Any], asked: Coordinator) -> None:
        while True:
            try:
                answer = await ask(asked)
                self.answers.append((time.monotonic(), asked, answer))
            except CoordinatorError as error:
                self.errors.append(error)
            await asyncio.sleep(0.002)

    async def more(self, asked: Coordinator) -> None:
        """Returns when a coordinator has given a dozen more answers."""
        moment = time.monotonic()
        await until(lambda: len(self.after(moment, asked)) >= 12)

    def after(self, moment: float, asked: Coordinator) -> list[Shown]:
        """Returns what a coordinator answered after a moment."""
        return [answer for when, who, answer in self.answers if when > moment and who is asked]


@contextlib.asynccontextmanager
async def load(*coordinators: Coordinator) -> AsyncIterator[Load]:
    found = Load()
    callers = [
        asyncio.create_task(found.ask(ask, asked))
        for asked in coordinators
        for ask in (traced, streamed, known, traced)
    ]
    try:
        yield found
    finally:
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)


def settings(directory: Path, **more: Any) -> dict[str, Any]:
    return {
        "takedown_file": directory / "takedowns.json",
        "result_cache_bytes": 2**20,
        "connect_timeout_ms": 5_000,
    } | more


@contextlib.asynccontextmanager
async def cluster(
    directory: Path, index: Path, *, apart: bool = False, **more: Any
) -> AsyncIterator[tuple[Coordinator, Coordinator]]:
    """Gives two coordinators with one takedown file, over two servers: each holds both shards, or ``apart`` one."""
    async with shard_server(index) as first, shard_server(index) as second:
        places = (first, second) if apart else ((first, second), (first, second))
        (directory / "other").mkdir()
        async with (
            coordinator(directory, index, places, **settings(directory, **more)) as one,
            coordinator(directory / "other", index, places, **settings(directory, **more)) as other,
        ):
            yield one, other


@pytest.mark.parametrize("apart", [False, True], ids=["two replicas", "one replica"])
def test_what_is_taken_down_is_in_no_answer_after_the_call_and_none_mixes_two_lists(
    index: Path, tmp_path: Path, apart: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    obey = ServerTakedowns.set

    def obey_late(self: ServerTakedowns, kept: KeptTakedowns) -> None:
        """One server goes over at once and another later, each a while before it says so."""
        time.sleep(random.choice((0.0, 0.4)))
        obey(self, kept)
        time.sleep(random.choice((0.0, 0.2)))

    monkeypatch.setattr(ServerTakedowns, "set", obey_late)

    async def run() -> None:
        before, without = expected(index), expected(written(tmp_path, LEFT))
        assert before != without
        async with cluster(tmp_path, index, apart=apart) as (one, other), load(one, other) as running:
            await running.more(one)
            await asyncio.sleep(random.uniform(0.0, 0.5))
            added = await one.add_takedowns(TAKEN_DOWN)
            returned = time.monotonic()
            assert [replica.problem for replica in added.state.replicas] == [""] * (2 if apart else 4)
            assert {replica.withheld_documents for replica in added.state.replicas} == {1}
            await running.more(one)
            assert set(running.after(returned, one)) == {without}
            while await traced(other) != without:
                assert time.monotonic() < returned + IN_EFFECT_S
                await asyncio.sleep(0.01)
            agreed = time.monotonic()
            await running.more(other)
            assert set(running.after(agreed, other)) == {without}
            assert running.after(0.0, one)[0] == before
            assert {answer for _, _, answer in running.answers} == {before, without}

            await other.lift_takedowns(["first", "second"])
            lifted = time.monotonic()
            await running.more(other)
            assert set(running.after(lifted, other)) == {before}
            assert {answer for _, _, answer in running.answers} == {before, without}
            assert running.errors == []

    asyncio.run(run())


def test_counts_documents_and_what_is_withheld(index: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with cluster(tmp_path, index) as (one, _):
            text = CountRequest(" near the river bank.")
            assert (await one.count(text)).count == 2
            taken_down = DocumentId("default", 0, 0)
            assert "river" in (await one.get_document(taken_down)).text
            await one.add_takedowns(TAKEN_DOWN[:1])
            count = await one.count(text)
            assert (count.count, count.withheld.occurrences) == (1, 1)
            with pytest.raises(DocumentNotFoundError, match="withdrawn"):
                await one.get_document(taken_down)
            trace = await one.trace(request())
            assert trace.withheld.occurrences >= 1
            assert taken_down not in {document.id for document in trace.documents}
            streamed_trace = [event async for event in one.trace_stream(request())]
            assert streamed_trace[-1].withheld == trace.withheld  # type: ignore[union-attr]

            assert [each.id for each in (await one.list_takedowns()).takedowns] == ["first"]
            found = await one.preview_takedown(Takedown(source="tiny"), 10)
            assert [document.id for document in found.documents] == [
                f"default:{shard}:{number}" for shard in (0, 1) for number in (0, 1)
            ]
            assert (found.num_documents, found.coverage.complete) == (4, True)

    asyncio.run(run())


def test_a_server_that_was_away_does_not_serve_what_was_taken_down_meanwhile(index: Path, tmp_path: Path) -> None:
    async def run() -> None:
        without = expected(written(tmp_path, LEFT))
        address = unused_address()
        state = tmp_path / "state"
        async with contextlib.AsyncExitStack() as first_running:
            first = await first_running.enter_async_context(shard_server(index))
            places = ((first, address), (first, address))
            async with coordinator(tmp_path, index, places, **settings(tmp_path)) as one:
                added = await one.add_takedowns(TAKEN_DOWN)
                assert [bool(replica.problem) for replica in added.state.replicas] == [False, True] * 2
                async with shard_server(index, listen=address, state_dir=state):
                    served = one._serving._answering.replica_sets
                    await until(lambda: all(shard.replicas[1].is_searchable for shard in served))
                    await first_running.aclose()
                    await until(lambda: not any(shard.replicas[0].is_searchable for shard in served))
                    assert {await traced(one) for _ in range(10)} == {without}
        # Everything starts again; the server has the list, the coordinator the file.
        async with (
            shard_server(index, listen=address, state_dir=state),
            coordinator(tmp_path, index, (address, address), **settings(tmp_path)) as one,
        ):
            assert await traced(one) == without
            assert (await one.list_takedowns()).state.epoch == 1

    asyncio.run(run())


def test_a_takedown_holds_for_the_next_generation_of_the_index(index: Path, tmp_path: Path) -> None:
    async def run() -> None:
        new = written(tmp_path / "new", (NEW_TEXTS[:2], NEW_TEXTS[2:]))
        without = expected(written(tmp_path / "without", (NEW_TEXTS[:2], NEW_TEXTS[3:])))
        address = unused_address()
        async with contextlib.AsyncExitStack() as running:
            await running.enter_async_context(shard_server(index, listen=address))
            asked = settings(tmp_path, reload_interval_s=0.05)
            async with coordinator(tmp_path, index, (address, address), **asked) as one:
                await one.add_takedowns(TAKEN_DOWN[1:])  # in the new index the same text is document 0 of the shard
                old = await traced(one)
                await running.aclose()
                await running.enter_async_context(shard_server(new, listen=address))
                write_cluster_file(tmp_path / "cluster.yaml", new, (address, address))
                old_id = one._serving._answering.corpora[0].index.index_id
                await until(lambda: one._serving._answering.corpora[0].index.index_id != old_id)
                assert await traced(one) == without != old

    asyncio.run(run())


def test_what_cannot_be_taken_down_is_refused_and_changes_nothing(index: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with cluster(tmp_path, index) as (one, _):
            refused = (
                (Takedown(id="x"), InvalidRequestError, "has no target"),
                (Takedown(id="x", url="u", domain="d"), InvalidRequestError, "has url and domain"),
                (Takedown(id="x y", url="u"), InvalidRequestError, "the id must be"),
                (Takedown(url="u", corpora=("no",)), InvalidRequestError, "expected some of default"),
                (Takedown(content_sha256="ab" * 32), InvalidRequestError, "content_tokens 0"),
                (Takedown(domain="not a host"), InvalidRequestError, "expected the name of a host"),
                (Takedown(document="default:0"), InvalidRequestError, "expected 'corpus:shard:number'"),
                (Takedown(document="default:7:0"), DocumentNotFoundError, "no such shard"),
                (Takedown(document="default:0:99"), DocumentNotFoundError, "document"),
                (Takedown(document="default:0:0", index_id="0123"), GenerationGoneError, "is served by now"),
                (Takedown(domain="x.org", index_id="0123"), InvalidRequestError, "of a domain, expected a document"),
            )
            for takedown, error, message in refused:
                with pytest.raises(error, match=message):
                    await one.add_takedowns([TAKEN_DOWN[0], takedown])
            with pytest.raises(InvalidRequestError, match="'gone' is not in force"):
                await one.lift_takedowns(["gone"])
            assert (await one.list_takedowns()).takedowns == ()
            assert not (tmp_path / "takedowns.json").exists()
        async with shard_server(index) as address, coordinator(tmp_path, index, (address, address)) as one:
            with pytest.raises(ConfigurationError, match="set it"):
                await one.add_takedowns(TAKEN_DOWN)

    asyncio.run(run())


def test_a_takedown_waits_for_requests_from_before_the_one_before_it(index: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            shard_server(index) as address,
            coordinator(tmp_path, index, (address, address), **settings(tmp_path)) as one,
        ):
            async with aclosing(one.trace_stream(request())) as events:
                await anext(events)
                await one.add_takedowns(TAKEN_DOWN[:1], timeout_ms=500)
                later = asyncio.create_task(one.add_takedowns(TAKEN_DOWN[1:]))
                await asyncio.wait((later,), timeout=1)
                assert not later.done()
            assert (await asyncio.wait_for(later, IN_EFFECT_S)).state.epoch == 2

    asyncio.run(run())


def test_a_server_that_cannot_obey_is_told_left_out_and_asked_again_once_it_does(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    obey = ServerTakedowns.set
    broken: list[ServerTakedowns] = []

    def fail_one(self: ServerTakedowns, kept: KeptTakedowns) -> None:
        if not broken:
            broken.append(self)
        if self is broken[0]:
            raise TakedownsFailedError("made up")
        obey(self, kept)

    async def run() -> None:
        without = expected(written(tmp_path, LEFT))
        async with cluster(tmp_path, index) as (one, _):
            monkeypatch.setattr(ServerTakedowns, "set", fail_one)
            added = await one.add_takedowns(TAKEN_DOWN)
            problems = {replica.address: replica.problem for replica in added.state.replicas}
            assert sorted(map(bool, problems.values())) == [False, True]
            assert any("made up" in problem for problem in problems.values())
            assert {await traced(one) for _ in range(10)} == {without}
            monkeypatch.setattr(ServerTakedowns, "set", obey)
            served = one._serving._answering.replica_sets
            await until(lambda: all(replica.is_searchable for shard in served for replica in shard.replicas))
            assert {await traced(one) for _ in range(10)} == {without}

    asyncio.run(run())
