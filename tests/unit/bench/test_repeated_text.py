"""A text of duplicates is as large as its corpus and holds each of its documents so often."""

from collections import Counter
from itertools import pairwise

import numpy as np

from bench.repeated_text import Tokens, repeated_text

RANDOM = np.random.default_rng(5)
SEPARATOR = 65_535


def corpus() -> Tokens:
    documents = [np.append(SEPARATOR, RANDOM.integers(0, 500, RANDOM.integers(40, 60))) for _ in range(400)]
    return np.concatenate(documents).astype(np.uint16)


def documents_of(tokens: Tokens) -> list[tuple[int, ...]]:
    return [tuple(part[1:].tolist()) for part in np.split(tokens, np.flatnonzero(tokens == SEPARATOR))[1:]]


def test_every_document_is_one_of_the_corpus_and_there_twenty_times() -> None:
    tokens = corpus()
    made = repeated_text(tokens, 20, edited=0, seed=1)
    counts = Counter(documents_of(made))
    assert set(counts) <= set(documents_of(tokens))
    assert set(counts.values()) == {20}
    assert 1 <= len(made) / len(tokens) < 1.1
    assert made.dtype == tokens.dtype


def test_copies_are_shuffled() -> None:
    documents = documents_of(repeated_text(corpus(), 20, edited=0, seed=1))
    beside = sum(one == other for one, other in pairwise(documents))
    assert beside < len(documents) / 2


def test_near_copies_differ_at_both_ends_alone() -> None:
    tokens = corpus()
    documents = documents_of(repeated_text(tokens, 20, edited=3, seed=1))
    assert set(Counter(document[3:-3] for document in documents).values()) == {20}
    assert {document[3:-3] for document in documents} <= set(documents_of(tokens))
    assert len(set(documents)) > 0.99 * len(documents)


def test_equal_seeds_give_equal_texts_and_others_do_not() -> None:
    tokens = corpus()
    first, same, other = (repeated_text(tokens, 20, edited=3, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)
