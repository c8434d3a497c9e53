"""A sampled corpus is locally the corpus it was sampled from."""

import numpy as np

from bench.synthetic import Tokens, sampled_corpus

SEPARATOR = 65_535
RANDOM = np.random.default_rng(7)


def corpus(num_documents: int = 40) -> Tokens:
    documents = [np.append(SEPARATOR, RANDOM.integers(0, 5, RANDOM.integers(5, 200))) for _ in range(num_documents)]
    return np.concatenate(documents).astype(np.uint16)


def runs_of_four(tokens: Tokens) -> set[tuple[int, ...]]:
    return set(map(tuple, np.lib.stride_tricks.sliding_window_view(tokens, 4).tolist()))


def test_it_has_the_size_asked_for_and_begins_with_a_document() -> None:
    tokens = corpus()
    for num_tokens in (1, 100, 5_000, 50_001):
        made = sampled_corpus(tokens, num_tokens, seed=1)
        assert len(made) == num_tokens
        assert made.dtype == np.uint16
        assert made[0] == SEPARATOR


def test_every_run_of_four_tokens_is_one_of_the_corpus() -> None:
    tokens = corpus()
    made = sampled_corpus(tokens, 4_000, seed=2)  # one text, no seam but at the corpus's own end
    wrapped = np.concatenate((tokens, tokens[:3]))
    assert runs_of_four(made) <= runs_of_four(wrapped)


def test_equal_seeds_give_equal_corpora_and_others_do_not() -> None:
    tokens = corpus()
    first, same, other = (sampled_corpus(tokens, 2_000, seed) for seed in (1, 1, 2))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_a_larger_one_is_no_copy_and_holds_documents_of_the_same_length_on_average() -> None:
    tokens = corpus(200)
    made = sampled_corpus(tokens, 10 * len(tokens), seed=3)
    share, wanted = (np.mean(one == SEPARATOR) for one in (made, tokens))
    assert 0.8 * wanted < share < 1.2 * wanted
    assert len(runs_of_four(made)) <= len(runs_of_four(tokens)) + 1_000
