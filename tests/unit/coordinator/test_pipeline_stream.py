"""A stream that is left early stops the work of the shards."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from typing import Any

import pytest

from coordinator.corpus import Corpus
from coordinator.errors import ConfigurationError, DocumentNotFoundError, GenerationGoneError, InvalidRequestError
from coordinator.pipeline import Pipeline
from coordinator.requests import CountRequest, TraceOptions, TraceRequest
from coordinator.results import DocumentsFound, SpansFound, TraceEvent
from coordinator.values import DocumentId, ShardId
from index_format.tokenizer import ByteTokenizer, TokenizedText
from tests.oracle_shard import OracleShard, corpus_of, pipeline_over

# In a shard of each corpus.
REQUEST = TraceRequest("the river", options=TraceOptions(max_span_density=1.0))
SERVED = {"pre": [["by the river"]], "post": [["the river runs"]]}
WAIT_S = 10.0


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, WAIT_S))


def streamed() -> tuple[AsyncGenerator[TraceEvent, None], OracleShard, OracleShard]:
    pipeline, (pre, post) = pipeline_over(SERVED)
    return pipeline.stream(REQUEST, WAIT_S), pre, post


def test_a_stream_that_is_closed_after_its_spans_asks_for_no_windows() -> None:
    async def leave() -> None:
        events, pre, post = streamed()
        assert isinstance(await anext(events), SpansFound)
        await events.aclose()
        assert (pre.windows_asked, post.windows_asked) == (0, 0)

    run(leave())


def test_a_reader_that_is_cancelled_after_the_spans_cancels_the_calls_of_all_shards() -> None:
    async def leave() -> None:
        events, pre, post = streamed()
        pre.stalls = post.stalls = True
        assert isinstance(await anext(events), SpansFound)
        reader = asyncio.ensure_future(anext(events))
        await pre.stalled.wait()
        await post.stalled.wait()
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        await pre.cancelled.wait()
        await post.cancelled.wait()

    run(leave())


def test_a_stream_that_is_closed_after_some_documents_cancels_the_call_of_the_slower_shard() -> None:
    async def leave() -> None:
        events, pre, post = streamed()
        post.stalls = True
        assert isinstance(await anext(events), SpansFound)
        found = await anext(events)
        assert isinstance(found, DocumentsFound)
        assert [document.corpus for document in found.documents] == ["pre"]
        await events.aclose()
        assert not pre.cancelled.is_set()
        await post.cancelled.wait()

    run(leave())


def test_a_trace_that_is_cancelled_cancels_the_calls_of_its_shards() -> None:
    async def leave() -> None:
        pipeline, (pre, _) = pipeline_over(SERVED)
        pre.stalls = True
        tracing = asyncio.ensure_future(pipeline.trace(REQUEST, WAIT_S))
        await pre.stalled.wait()
        tracing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await tracing
        await pre.cancelled.wait()

    run(leave())


def test_a_shard_that_stalls_is_given_up_at_the_deadline_and_listed() -> None:
    async def trace() -> None:
        pipeline, (pre, post) = pipeline_over(SERVED)
        post.stalls = True
        found = await pipeline.trace(REQUEST, 0.2)
        assert [document.corpus for document in found.documents] == ["pre"]
        (failed,) = found.coverage.failed_shards
        assert failed.shard == post.shard
        assert failed.reason.startswith("no answer within 0.")
        # It was searched, so what it holds is counted.
        assert not found.coverage.counts_are_lower_bounds
        assert [span.count for span in found.spans] == [2]
        assert not pre.cancelled.is_set()
        await post.cancelled.wait()

    run(trace())


@pytest.mark.parametrize("call", ["trace", "stream", "count"])
def test_a_corpus_that_is_not_served_is_refused_by_name(call: str) -> None:
    async def ask() -> None:
        pipeline, _ = pipeline_over(SERVED)
        if call == "trace":
            await pipeline.trace(TraceRequest("the river", corpora=("pre", "mid")), WAIT_S)
        elif call == "stream":
            await anext(pipeline.stream(TraceRequest("the river", corpora=("pre", "mid")), WAIT_S))
        else:
            await pipeline.count(CountRequest("the river", corpora=("pre", "mid")), WAIT_S)

    with pytest.raises(InvalidRequestError, match="there is no corpus 'mid', expected some of pre, post"):
        run(ask())


@pytest.mark.parametrize(
    ("id_", "message"),
    [
        (DocumentId("mid", 0, 0), "document mid:0:0: there is no corpus 'mid', only pre, post"),
        (DocumentId("pre", 3, 0), "document pre:3:0: there is no shard 3, the index has shards 0 to 0"),
    ],
)
def test_a_document_of_no_shard_that_is_served_is_not_found(id_: DocumentId, message: str) -> None:
    pipeline, _ = pipeline_over(SERVED)
    with pytest.raises(DocumentNotFoundError, match=message):
        run(pipeline.get_document(id_, 0, 10, WAIT_S))  # type: ignore[arg-type]


def test_a_document_says_of_which_index_it_is_and_is_not_taken_from_another() -> None:
    async def read() -> None:
        pipeline, _ = pipeline_over(SERVED)
        id_ = DocumentId("pre", 0, 0)
        for wanted in ("", "index of pre"):
            assert (await pipeline.get_document(id_, 0, 10, WAIT_S, wanted)).index_id == "index of pre"
        with pytest.raises(GenerationGoneError, match="of index 'index of old': index 'index of pre' is served by now"):
            await pipeline.get_document(id_, 0, 10, WAIT_S, "index of old")

    run(read())


class WatchedTokenizer(ByteTokenizer):
    """Notes whether it works in the thread of an event loop."""

    def __init__(self) -> None:
        super().__init__()
        self.blocked_a_loop: list[bool] = []

    def encode(self, text: str) -> TokenizedText:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self.blocked_a_loop.append(False)
        else:
            self.blocked_a_loop.append(True)
        return super().encode(text)


@pytest.mark.parametrize("call", ["trace", "count"])
def test_a_long_text_is_tokenized_off_the_event_loop(call: str) -> None:
    tokenizer = WatchedTokenizer()
    pipeline = Pipeline(tokenizer, [OracleShard(ShardId("pre", 0), ["by the river"])], [corpus_of("pre", [["by"]])])

    async def ask(text: str) -> None:
        if call == "trace":
            await pipeline.trace(TraceRequest(text), WAIT_S)
        else:
            await pipeline.count(CountRequest(text), WAIT_S)

    run(ask("river"))
    run(ask("river " * 1000))
    assert tokenizer.blocked_a_loop == [True, False]


def test_corpora_of_one_name_are_refused() -> None:
    twice: list[Corpus] = [corpus_of("pre", [["a"]]), corpus_of("pre", [["b"]])]
    with pytest.raises(ConfigurationError, match="corpora are named pre, pre; a name may stand only once"):
        Pipeline(ByteTokenizer(), [], twice)
