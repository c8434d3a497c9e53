"""Our BM25 against the rank-bm25 package, and where the package divides by zero or turns its order round."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rank_bm25 import BM25Okapi

from coordinator.steps.bm25 import bm25_scores

WORDS = st.sampled_from(
    ["the", "river", "runs", "The", "river.", "", "水", "mill\nmill", "corn", "nul\0", "\U0001f33d"]
)
TEXT = st.lists(WORDS, max_size=12).map(" ".join)
QUERY = st.lists(st.one_of(WORDS, st.just("absent")), max_size=12).map(" ".join)


def package_of(texts: list[str]) -> BM25Okapi:
    return BM25Okapi([text.split(" ") for text in texts])


@given(st.lists(TEXT, min_size=3, max_size=12), QUERY)
@example(["river", "river", "river mill"], "river")  # its mean idf is negative
@example(["", "", ""], "")  # the empty term
def test_scores_of_three_texts_and_more_equal_the_package(texts: list[str], query: str) -> None:
    wanted = package_of(texts).get_scores(query.split(" "))
    assert bm25_scores(texts, query) == pytest.approx(wanted, abs=1e-9, rel=1e-9)


@given(st.lists(st.text(max_size=20), min_size=3, max_size=8), st.text(max_size=20))
def test_scores_of_any_texts_equal_the_package(texts: list[str], query: str) -> None:
    wanted = package_of(texts).get_scores(query.split(" "))
    assert bm25_scores(texts, query) == pytest.approx(wanted, abs=1e-9, rel=1e-9)


@given(st.lists(TEXT, min_size=1, max_size=2), QUERY)
def test_scores_of_one_or_two_texts_take_the_size_of_the_mean_idf(texts: list[str], query: str) -> None:
    package = package_of(texts)
    floor = package.epsilon * abs(package.average_idf)
    for word in package.idf:
        containing = sum(word in text.split(" ") for text in texts)
        if math.log(len(texts) - containing + 0.5) - math.log(containing + 0.5) < 0:
            package.idf[word] = floor
    assert bm25_scores(texts, query) == pytest.approx(package.get_scores(query.split(" ")), abs=1e-9, rel=1e-9)


@given(st.lists(TEXT, max_size=12), QUERY)
def test_every_corpus_has_one_finite_score_a_text(texts: list[str], query: str) -> None:
    scores = bm25_scores(texts, query)
    assert len(scores) == len(texts)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("number", [1, 2])
def test_one_or_two_texts_score_higher_the_more_they_match(number: int) -> None:
    scores = bm25_scores(["river river mill", "river corn corn"][:number], "river mill")
    assert (scores > 0).all()
    if number == 2:
        assert scores[0] > scores[1]


def test_terms_are_split_at_single_spaces_only() -> None:
    texts = ["The  river.\nRuns", "x", "y", "z"]
    assert bm25_scores(texts, "river.\nRuns")[0] > 0
    assert bm25_scores(texts, "")[0] > 0  # between two spaces is an empty term
    for part in ("river", "river.", "Runs", "the"):
        assert bm25_scores(texts, part).tolist() == [0.0] * 4
