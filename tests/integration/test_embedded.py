"""An index opened in this process: what it answers, and what it refuses to open."""

import asyncio
import json
import shutil
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

import headwater
import suffix_engine
from coordinator.errors import DocumentNotFoundError, GenerationGoneError, InvalidRequestError
from coordinator.requests import TraceOptions
from coordinator.results import Trace
from coordinator.values import DocumentId, Query, ShardMatches
from headwater.embedded_shard import EmbeddedShard
from index_format.errors import IndexFormatError, IndexNotFoundError, ManifestError, TokenizerError
from tests.tiny_index import byte_level_tokenizer, write_index

TEXTS = (
    "The quick brown fox jumps over the lazy dog near the river bank.",
    "A slow green turtle walks under the old stone bridge every morning.",
    "Nobody saw the quick brown fox jumps over the lazy dog, or so they say.",
    "Every morning the baker sells warm bread near the river bank.",
)
ANSWER = "They say the quick brown fox jumps over the lazy dog while a turtle walks under the old stone bridge."
OPTIONS = TraceOptions(max_span_density=1.0)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("embedded") / "index"
    return write_index(place, [TEXTS[:2], TEXTS[2:]], byte_level_tokenizer(TEXTS, 300))


@pytest.fixture
def index(directory: Path) -> Iterator[headwater.EmbeddedIndex]:
    with headwater.open(directory) as opened:
        yield opened


@pytest.fixture
def broken(directory: Path, tmp_path: Path) -> Path:
    """A copy of the index for a test to break."""
    return shutil.copytree(directory, tmp_path / "index")


def without_timings(trace: Trace) -> Trace:
    return replace(trace, timings=None)  # type: ignore[arg-type]


def test_trace_finds_the_passages_in_both_shards(index: headwater.EmbeddedIndex) -> None:
    trace = index.trace(ANSWER, "What did the fox do?", OPTIONS)
    found = {span.text.strip(): span for span in trace.spans}
    assert found["the quick brown fox jumps over the lazy dog"].count == 1
    assert any("turtle walks under the old stone" in text for text in found)
    for span in trace.spans:
        assert ANSWER[span.start_char : span.end_char] == span.text
    assert {document.id.shard for document in trace.documents} == {0, 1}
    assert trace.coverage.complete


def test_every_snippet_holds_its_span(index: headwater.EmbeddedIndex) -> None:
    trace = index.trace(ANSWER, options=OPTIONS)
    snippets = [snippet for document in trace.documents for snippet in document.snippets]
    assert snippets
    for snippet in snippets:
        assert snippet.text[snippet.start_char : snippet.end_char] == trace.spans[snippet.span].text


def test_an_answer_too_long_for_the_event_loop_is_traced_alike(index: headwater.EmbeddedIndex) -> None:
    long = f"{ANSWER} " * (4_000 // len(ANSWER) + 1)
    trace, expected = index.trace(long, options=OPTIONS), index.trace(ANSWER, options=OPTIONS)
    assert trace.num_tokens > expected.num_tokens
    assert {span.text.strip() for span in expected.spans} <= {span.text.strip() for span in trace.spans}


def test_equal_requests_give_equal_traces(index: headwater.EmbeddedIndex) -> None:
    first, second = (without_timings(index.trace(ANSWER, options=OPTIONS)) for _ in range(2))
    assert first == second


def test_count_adds_up_the_shards(index: headwater.EmbeddedIndex) -> None:
    assert index.count(" the quick brown fox").count == 1
    assert index.count(" near the river bank.").count == 2
    assert index.count("there is no such text").count == 0


def test_document_is_read_by_its_id_in_either_form(index: headwater.EmbeddedIndex) -> None:
    text = index.document("default:1:0")
    assert text.text == TEXTS[2]
    assert text == index.document(DocumentId("default", 1, 0))
    part = index.document("default:1:0", start=3, max_tokens=2)
    assert (part.start, part.end) == (3, 5)
    assert part.text in TEXTS[2]
    assert part.metadata["metadata"] == {"source": "tiny"}


@pytest.mark.parametrize("document", ["default:0:2", "default:2:0", "default:1:99999999999", "other:0:0"])
def test_document_that_is_not_there_is_not_found(index: headwater.EmbeddedIndex, document: str) -> None:
    with pytest.raises(DocumentNotFoundError, match=document):
        index.document(document)


def test_a_document_of_another_index_is_refused_by_name(index: headwater.EmbeddedIndex) -> None:
    index_id = index.document("default:1:0").index_id
    assert index.document("default:1:0", index_id=index_id) == index.document("default:1:0")
    with pytest.raises(GenerationGoneError, match=f"(?s)gone.*{index_id}|{index_id}.*gone"):
        index.document("default:1:0", index_id="gone")


def test_start_past_the_document_is_not_found(index: headwater.EmbeddedIndex) -> None:
    with pytest.raises(DocumentNotFoundError, match="default:1:0"):
        index.document("default:1:0", start=100_000)


def test_description_says_what_the_shards_hold(index: headwater.EmbeddedIndex) -> None:
    (corpus,) = index.describe().corpora
    assert (corpus.name, corpus.stage, corpus.num_shards) == ("default", "test", 2)
    assert [(str(shard.shard), shard.num_documents) for shard in corpus.shards] == [("default:0", 2), ("default:1", 2)]
    assert corpus.failed_shards == ()


@pytest.mark.parametrize("answer", ["", " \n\t "])
def test_blank_answer_is_refused(index: headwater.EmbeddedIndex, answer: str) -> None:
    with pytest.raises(InvalidRequestError, match="empty or only white space"):
        index.trace(answer)


def test_answer_over_the_limit_is_refused_with_the_limit(index: headwater.EmbeddedIndex) -> None:
    limit = index.describe().max_answer_chars
    with pytest.raises(InvalidRequestError, match=str(limit)):
        index.trace("a" * (limit + 1))


def test_trace_works_where_an_event_loop_runs_as_in_a_notebook(directory: Path) -> None:
    async def cell() -> Trace:
        with headwater.open(directory) as index:
            return index.trace(ANSWER)

    assert asyncio.run(cell()).spans


def test_threads_may_share_an_index(index: headwater.EmbeddedIndex) -> None:
    with ThreadPoolExecutor(8) as pool:
        traces = set(pool.map(lambda _: repr(without_timings(index.trace(ANSWER, options=OPTIONS))), range(16)))
    assert len(traces) == 1


def test_an_interrupted_call_is_cancelled_and_the_index_goes_on(
    index: headwater.EmbeddedIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled = []

    async def interrupted(*_: object) -> None:
        asyncio.get_running_loop().call_later(0.01, signal.raise_signal, signal.SIGINT)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    with monkeypatch.context() as patch:
        patch.setattr(index._pipeline, "trace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            index.trace(ANSWER)
    assert cancelled == [True]
    assert index.trace(ANSWER).spans


@pytest.mark.usefixtures("leaves_nothing_behind")
def test_closing_leaves_no_thread_and_no_file(directory: Path) -> None:
    index = headwater.open(directory)
    index.trace(ANSWER)
    index.close()
    index.close()
    with pytest.raises(ValueError, match="the index is closed"):
        index.trace(ANSWER)


def test_a_call_whose_index_is_closed_meanwhile_says_so(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = headwater.open(directory)
    search = EmbeddedShard.longest_matches

    async def close_first(shard: EmbeddedShard, query: Query, deadline_s: float) -> ShardMatches:
        index.close()
        return await search(shard, query, deadline_s)

    monkeypatch.setattr(EmbeddedShard, "longest_matches", close_first)
    with pytest.raises(ValueError, match="the index was closed during the call"):
        index.trace(ANSWER)


def _truncate(name: str) -> Callable[[Path], None]:
    def change(index: Path) -> None:
        path = index / "shard_00001" / name
        path.write_bytes(path.read_bytes()[:-2])

    return change


def _remove(name: str) -> Callable[[Path], None]:
    return lambda index: (index / name).unlink()


def _other_tokenizer(index: Path) -> None:
    (index / "tokenizer.json").write_bytes(byte_level_tokenizer(TEXTS, 290).content)


def _offsets_out_of_order(index: Path) -> None:
    path = index / "shard_00000" / "offset.0"
    path.write_bytes(path.read_bytes()[::-1])


def _foreign_shard(index: Path) -> None:
    shutil.rmtree(index / "shard_00001")
    shutil.copytree(index / "shard_00000", index / "shard_00001")


def _newer_format(index: Path) -> None:
    path = index / "index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format_version": 99}))


@pytest.mark.usefixtures("leaves_nothing_behind")
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (_truncate("tokenized.0"), ManifestError, "tokenized.0: file has .* bytes, .* were published"),
        (_truncate("table.0"), ManifestError, "table.0: file has"),
        (_remove("shard_00001/offset.0"), ManifestError, "offset.0: file is missing"),
        (_remove("shard_00001/shard.json"), ManifestError, "shard 1 of 2 is missing or unfinished"),
        (_remove("index.json"), IndexNotFoundError, "headwater index build"),
        (_remove("tokenizer.json"), TokenizerError, "cannot read the tokenizer"),
        (_other_tokenizer, TokenizerError, "the index was built with"),
        (_offsets_out_of_order, suffix_engine.EngineError, "offset"),
        (_foreign_shard, ManifestError, "manifest is of shard 0, expected 1"),
        (_newer_format, ManifestError, "format version 99, this build reads 1"),
    ],
)
def test_index_that_is_not_as_published_is_refused(
    broken: Path, change: Callable[[Path], None], error: type[Exception], message: str
) -> None:
    change(broken)
    with pytest.raises(error, match=message):
        headwater.open(broken)


def test_directory_without_an_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IndexFormatError, match="not found"):
        headwater.open(tmp_path)
