"""Several indexes opened together in this process, as corpora."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import headwater
from coordinator.errors import (
    ConfigurationError,
    DocumentNotFoundError,
    IncompleteAnswerError,
    InvalidRequestError,
    ShardUnavailableError,
)
from coordinator.requests import TraceOptions
from coordinator.streaming import trace_of
from coordinator.values import Query, ShardMatches
from headwater.embedded_shard import EmbeddedShard
from index_format.tokenizer import Tokenizer
from tests.tiny_index import byte_level_tokenizer, write_index

PRE = (
    "The quick brown fox jumps over the lazy dog near the river bank.",
    "Every morning the baker sells warm bread near the river bank.",
)
POST = ("They say the quick brown fox jumps over the lazy dog.", "Nothing else is here.")
ANSWER = "I say the quick brown fox jumps over the lazy dog near the river bank."
OPTIONS = TraceOptions(max_span_density=1.0)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return byte_level_tokenizer(PRE + POST, 300)


@pytest.fixture(scope="module")
def directories(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("corpora")
    return {
        "pre": write_index(place / "pre", [PRE[:1], PRE[1:]], tokenizer, accelerated=True),
        "post": write_index(place / "post", [POST], tokenizer),
    }


@pytest.fixture
def index(directories: dict[str, Path]) -> Iterator[headwater.EmbeddedIndex]:
    with headwater.open(directories) as opened:
        yield opened


def test_a_trace_shows_documents_of_every_corpus_with_its_name(index: headwater.EmbeddedIndex) -> None:
    trace = index.trace(ANSWER, options=OPTIONS)
    assert {document.corpus for document in trace.documents} == {"pre", "post"}
    for document in trace.documents:
        assert document.id.corpus == document.corpus
        assert index.document(document.id).text.startswith(document.text[:10])
        assert index.document(str(document.id)) == index.document(document.id)
    assert [(part.corpus, part.shards_asked) for part in trace.coverage.corpora] == [("pre", 2), ("post", 1)]
    assert (trace.coverage.complete, trace.coverage.share_searched) == (True, 1.0)


def test_counts_of_the_corpora_add_up(index: headwater.EmbeddedIndex) -> None:
    text = " quick brown fox jumps"
    counts = [index.count(text, corpora=names).count for names in (["pre"], ["post"], ["pre", "post"], [])]
    assert counts == [1, 1, 2, 2]
    assert index.count(" river bank.").count == 2


def test_a_filter_by_corpus_gives_the_trace_of_that_index_alone(
    index: headwater.EmbeddedIndex, directories: dict[str, Path]
) -> None:
    for name, directory in directories.items():
        with headwater.open({name: directory}) as alone:
            expected = replace(alone.trace(ANSWER, options=OPTIONS), timings=None)  # type: ignore[arg-type]
        found = index.trace(ANSWER, options=OPTIONS, corpora=[name])
        assert replace(found, timings=None) == expected  # type: ignore[arg-type]


def test_the_events_of_a_trace_are_that_trace(index: headwater.EmbeddedIndex) -> None:
    trace = index.trace(ANSWER, "A fox?", OPTIONS)
    events = list(index.trace_stream(ANSWER, "A fox?", OPTIONS))
    assert replace(trace_of(ANSWER, events), timings=trace.timings) == trace
    assert [type(event).__name__ for event in events] == ["SpansFound", "DocumentsFound", "Ranking"]


def test_every_corpus_is_described(index: headwater.EmbeddedIndex) -> None:
    described = index.describe().corpora
    assert [(corpus.name, corpus.stage, corpus.num_shards, corpus.num_documents) for corpus in described] == [
        ("pre", "test", 2, 2),
        ("post", "test", 1, 2),
    ]
    assert [[str(shard.shard) for shard in corpus.shards] for corpus in described] == [["pre:0", "pre:1"], ["post:0"]]
    assert described[0].index_id != described[1].index_id


def test_a_corpus_that_is_not_there_is_refused_by_name(index: headwater.EmbeddedIndex) -> None:
    for call in (index.trace, index.count):
        with pytest.raises(InvalidRequestError, match="there is no corpus 'mid', expected some of pre, post"):
            call(ANSWER, corpora=["pre", "mid"])
    with pytest.raises(DocumentNotFoundError, match="there is no corpus 'default'"):
        index.document("default:0:0")


def test_a_lost_shard_is_named_with_its_corpus_and_all_or_nothing_is_an_error(
    index: headwater.EmbeddedIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = EmbeddedShard.longest_matches

    async def lose_one(shard: EmbeddedShard, query: Query, deadline_s: float) -> ShardMatches:
        if shard.shard == ("pre", 1):
            raise ShardUnavailableError("lost")
        return await search(shard, query, deadline_s)

    monkeypatch.setattr(EmbeddedShard, "longest_matches", lose_one)
    coverage = index.trace(ANSWER).coverage
    assert [(str(one.shard), one.reason) for one in coverage.failed_shards] == [("pre:1", "lost")]
    assert [(part.shards_asked, part.shards_answered) for part in coverage.corpora] == [(2, 1), (1, 1)]
    assert coverage.counts_are_lower_bounds
    assert coverage.share_searched < 1
    assert index.trace(ANSWER, corpora=["post"], require_complete=True).coverage.complete
    for call in (index.trace, index.count, index.trace_stream):
        with pytest.raises(IncompleteAnswerError, match="shard pre:1: lost"):
            call(ANSWER, require_complete=True)


@pytest.mark.usefixtures("leaves_nothing_behind")
def test_corpora_with_different_tokenizers_are_refused_by_name(directories: dict[str, Path], tmp_path: Path) -> None:
    other = write_index(tmp_path / "other", [POST], byte_level_tokenizer(POST, 290))
    with pytest.raises(ConfigurationError, match=r"corpus other has the tokenizer .*, corpus pre has .*must share one"):
        headwater.open({"pre": directories["pre"], "other": other})


def test_no_corpus_at_all_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no corpus is named"):
        headwater.open({})
