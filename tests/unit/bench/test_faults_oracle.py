"""The oracle accepts what a generation says without the shards that an answer names, and nothing else."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import headwater
from bench.faults.answers import digest, searched
from bench.faults.oracle import Oracle, _digest_of
from bench.faults.outcomes import OK, Outcome, Searched
from coordinator.api import codec
from coordinator.requests import TraceRequest
from index_format.manifest import IndexManifest
from index_format.takedowns import DocumentTarget, Takedown
from tests.tiny_index import write_index

SHARDS = (
    ["the quick brown fox jumps over the lazy dog"],
    ["nobody saw the quick brown fox", "a slow green turtle"],
    ["under the old stone bridge walks the quick brown fox"],
)
ANSWERS = ("they say the quick brown fox walks under the old stone bridge", "a slow green turtle")
EVERY_SHARD = Searched(complete=True, missing=frozenset(), index_ids=())


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    directory = tmp_path_factory.mktemp("oracle")
    return write_index(directory / "one", SHARDS), write_index(directory / "two", SHARDS[::-1])


@pytest.fixture
def oracle(indexes: tuple[Path, Path]) -> Iterator[Oracle]:
    with Oracle(indexes, "default", ANSWERS) as opened:
        yield opened


def outcome(index: Path, request: int = 0, *, unsearched: str = "", unread: str = "") -> Outcome:
    """Returns the outcome of a request that was answered without some shards, as the oracle itself works it out."""
    index_id = IndexManifest.load(index).index_id
    missing = frozenset(filter(None, [unsearched, unread]))
    with Oracle([index], "default", ANSWERS) as one:
        pipeline = one._generations[index_id].pipeline_without(
            frozenset(filter(None, [unsearched])), frozenset(filter(None, [unread]))
        )
        answer = asyncio.run(_digest_of(pipeline, ANSWERS[request]))
    return Outcome(request, 0.0, 0.1, OK, answer, Searched(not missing, missing, (index_id,)))


def test_the_answer_of_the_embedded_index_is_right(oracle: Oracle, indexes: tuple[Path, Path]) -> None:
    for index in indexes:
        with headwater.open(index) as opened:
            trace = codec.encode_trace(opened.trace(ANSWERS[0])).trace
        assert trace.spans
        assert oracle.is_right(Outcome(0, 0.0, 0.1, OK, digest(trace), searched(trace)))


def test_an_answer_without_a_shard_is_right_if_it_names_it(oracle: Oracle, indexes: tuple[Path, Path]) -> None:
    without_0 = outcome(indexes[0], unsearched="default:0")
    assert oracle.is_right(without_0)
    silent = replace(without_0, searched=replace(EVERY_SHARD, index_ids=without_0.searched.index_ids))
    assert not oracle.is_right(silent)
    blamed = replace(without_0.searched, missing=frozenset({"default:1"}))
    assert not oracle.is_right(replace(without_0, searched=blamed))


def test_an_answer_whose_shard_failed_in_the_second_round_is_right(oracle: Oracle, indexes: tuple[Path, Path]) -> None:
    unread = outcome(indexes[0], unread="default:2")
    assert oracle.is_right(unread)
    assert unread.answer != outcome(indexes[0], unsearched="default:2").answer
    assert oracle.is_right(outcome(indexes[0], unsearched="default:0", unread="default:2"))


def test_the_answer_to_another_request_or_of_another_generation_is_wrong(
    oracle: Oracle, indexes: tuple[Path, Path]
) -> None:
    first, second = outcome(indexes[0]), outcome(indexes[1])
    assert oracle.is_right(first) and oracle.is_right(second)
    assert not oracle.is_right(replace(first, request=1))
    assert not oracle.is_right(replace(first, searched=second.searched))


def test_an_answer_from_an_index_that_is_not_served_is_wrong(oracle: Oracle, indexes: tuple[Path, Path]) -> None:
    first = outcome(indexes[0])
    assert not oracle.is_right(replace(first, searched=replace(EVERY_SHARD, index_ids=("another",))))


def test_an_answer_from_no_shard_at_all_is_never_right(oracle: Oracle, indexes: tuple[Path, Path]) -> None:
    first = outcome(indexes[0])
    nothing = Searched(False, frozenset({"default:0", "default:1", "default:2"}), first.searched.index_ids)
    assert not oracle.is_right(replace(first, searched=nothing))


def test_an_answer_is_right_only_under_the_takedowns_that_were_in_force(
    oracle: Oracle, indexes: tuple[Path, Path]
) -> None:
    turtle = Takedown("turtle", DocumentTarget(IndexManifest.load(indexes[0]).index_id, 1, 1))
    told = outcome(indexes[0], 1)
    assert oracle.is_right(told) and not oracle.is_right(told, (turtle,))

    with Oracle([indexes[0]], "default", ANSWERS) as one:
        generation = one._generations[IndexManifest.load(indexes[0]).index_id]
        pipeline = generation.pipeline_without(frozenset(), frozenset(), (turtle,))
        spans = asyncio.run(pipeline.trace(TraceRequest(ANSWERS[1]), 9.0)).spans
        assert ANSWERS[1] not in {span.text for span in spans}
        withheld = replace(told, answer=asyncio.run(_digest_of(pipeline, ANSWERS[1])))
    assert oracle.is_right(withheld, (turtle,)) and not oracle.is_right(withheld)
