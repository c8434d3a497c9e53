"""An answer is right for its time: of a generation that may be served then, under takedowns that may be in force."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench.faults.answers import digest, searched
from bench.faults.history import History
from bench.faults.indexes import Indexes
from bench.faults.oracle import Oracle
from bench.faults.outcomes import OK, Outcome
from coordinator.api import codec
from coordinator.requests import TraceRequest
from index_format.manifest import IndexManifest
from index_format.takedowns import Takedown
from loadtest.oracle import Takedowns, TimelyOracle
from tests.tiny_index import write_index

CORPUS = "made-up"
SHARDS = (
    ["the quick brown fox jumps over the lazy dog"],
    ["nobody saw the quick brown fox", "a slow green turtle"],
)
ANSWERS = ("a slow green turtle", "they say the quick brown fox jumps")


class Clock:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> Indexes:
    directory = tmp_path_factory.mktemp("soak-oracle")
    first, second = write_index(directory / "one", SHARDS), write_index(directory / "two", SHARDS[::-1])
    return Indexes((first,), second, ANSWERS)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def served(indexes: Indexes, clock: Clock) -> History[Path]:
    return History(indexes.copies[0], clock)


@pytest.fixture
def takedowns(clock: Clock) -> History[Takedowns]:
    return History((), clock)


@pytest.fixture
def oracle(indexes: Indexes, served: History[Path], takedowns: History[Takedowns]) -> Iterator[TimelyOracle]:
    with TimelyOracle(indexes, served, takedowns) as opened:
        yield opened


def answer(indexes: Indexes, index: Path, at: float, *, takedowns: Takedowns = ()) -> Outcome:
    """Returns the answer to the first request from an index under takedowns, given at a time."""
    with Oracle([index], CORPUS, ANSWERS) as one:
        [generation] = one._generations.values()
        pipeline = generation.pipeline_without(frozenset(), frozenset(), takedowns)
        trace = codec.encode_trace(asyncio.run(pipeline.trace(TraceRequest(ANSWERS[0]), 30.0))).trace
    return Outcome(0, at, at + 0.1, OK, digest(trace), searched(trace))


def test_a_generation_is_right_while_it_may_be_served(
    oracle: TimelyOracle, indexes: Indexes, served: History[Path], clock: Clock
) -> None:
    old, new = (answer(indexes, index, 0.0) for index in (indexes.copies[0], indexes.next_generation))
    clock.now = 10.0
    served.begin(indexes.next_generation)
    clock.now = 20.0
    served.settled()
    at = {"before": 5.0, "meanwhile": 15.0, "after": 25.0}
    right = {
        which: [when for when, due in at.items() if oracle.is_right(replace(one, intended_s=due, finished_s=due + 0.1))]
        for which, one in (("old", old), ("new", new))
    }
    assert right == {"old": ["before", "meanwhile"], "new": ["meanwhile", "after"]}


def test_a_withdrawn_document_is_not_shown_once_its_takedown_is_obeyed(
    oracle: TimelyOracle, indexes: Indexes, takedowns: History[Takedowns], clock: Clock
) -> None:
    [(request, target)] = oracle.shown_documents([0])
    assert request == 0
    assert (target.shard, target.number) == (1, 1)
    assert target.index_id == IndexManifest.load(indexes.copies[0]).index_id
    takedown = (Takedown("turtle", target),)
    with_it, without_it = (answer(indexes, indexes.copies[0], 0.0, takedowns=each) for each in ((), takedown))
    clock.now = 10.0
    takedowns.begin(takedown)
    clock.now = 20.0
    takedowns.settled()
    assert oracle.is_right(with_it) and not oracle.is_right(without_it)
    for outcome in (with_it, without_it):
        assert oracle.is_right(replace(outcome, intended_s=12.0, finished_s=13.0))
    assert not oracle.is_right(replace(with_it, intended_s=20.5, finished_s=21.0))
    assert oracle.is_right(replace(without_it, intended_s=20.5, finished_s=21.0))


def test_an_answer_without_a_generation_is_wrong(oracle: TimelyOracle, indexes: Indexes) -> None:
    one = answer(indexes, indexes.copies[0], 0.0)
    assert oracle.is_right(one)
    assert not oracle.is_right(replace(one, searched=None))
