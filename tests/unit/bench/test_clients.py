"""Concurrent clients share whole rounds of the conversations, and every answer of theirs is checked."""

from pathlib import Path

import pytest

from bench.clients import Load, Spans, Tracer, run_clients
from bench.conversations import Conversation
from bench.errors import BenchError

CONVERSATIONS = [Conversation(str(number), "", "x" * number) for number in range(7)]


def open_lengths(directory: Path) -> Tracer:
    """The span of an answer is all of it, by a rule instead of an index."""

    def trace(conversation: Conversation) -> Spans:
        return [(0, len(conversation.response), 1)]

    return trace


def open_nothing(directory: Path) -> Tracer:
    raise BenchError(f"{directory}: nothing here")


def load(expected: list[Spans], open_tracer: object = open_lengths, seconds: float = 0.0) -> Load:
    assert callable(open_tracer)
    return Load(open_tracer, Path("index"), CONVERSATIONS, expected, seconds, warm_up=1)


RIGHT: list[Spans] = [[(0, number, 1)] for number in range(7)]


@pytest.mark.parametrize("num_clients", [1, 3])
def test_clients_together_do_whole_rounds(num_clients: int) -> None:
    outcome = run_clients(load(RIGHT, seconds=0.05), num_clients)
    assert outcome.num_requests > 0
    assert outcome.num_requests % len(CONVERSATIONS) == 0
    assert outcome.num_wrong == 0
    assert outcome.requests_per_second > 0


def test_one_round_is_done_however_short_the_time() -> None:
    assert run_clients(load(RIGHT), 2).num_requests == len(CONVERSATIONS)


def test_wrong_answers_are_counted() -> None:
    assert run_clients(load([*RIGHT[:6], [(0, 5, 1)]]), 1).num_wrong == 1


def test_a_worker_that_cannot_open_the_index_ends_all_of_them() -> None:
    with pytest.raises(BenchError, match=r"one of .* workers failed.*nothing here"):
        run_clients(load(RIGHT, open_nothing), 2)
