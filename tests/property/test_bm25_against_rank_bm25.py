"""Our BM25 against the rank-bm25 package, and where the package divides by zero or turns its order round."""

import math

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from rank_bm25 import BM25Okapi

from coordinator.bm25 import bm25_scores, words

WORDS = st.sampled_from(["the", "river", "runs", "The", "river.", "", "水", "mill\nmill", "corn"])
DOCUMENT = st.lists(WORDS, max_size=12)
QUERY = st.lists(st.one_of(WORDS, st.just("absent")), max_size=12)


@given(st.lists(DOCUMENT, min_size=3, max_size=12), QUERY)
@example([["river"], ["river"], ["river", "mill"]], ["river"])  # its mean idf is negative
def test_scores_of_three_documents_and_more_equal_the_package(documents: list[list[str]], query: list[str]) -> None:
    assume(any(documents))
    package = BM25Okapi(documents)
    assert bm25_scores(documents, query) == pytest.approx(package.get_scores(query), abs=1e-9, rel=1e-9)


@given(st.lists(DOCUMENT, min_size=1, max_size=2), QUERY)
def test_scores_of_one_or_two_documents_take_the_size_of_the_mean_idf(
    documents: list[list[str]], query: list[str]
) -> None:
    assume(any(documents))
    package = BM25Okapi(documents)
    floor = package.epsilon * abs(package.average_idf)
    for word in package.idf:
        containing = sum(word in document for document in documents)
        if math.log(len(documents) - containing + 0.5) - math.log(containing + 0.5) < 0:
            package.idf[word] = floor
    assert bm25_scores(documents, query) == pytest.approx(package.get_scores(query), abs=1e-9, rel=1e-9)


@given(st.lists(DOCUMENT, max_size=12), QUERY)
def test_every_corpus_has_one_finite_score_a_document(documents: list[list[str]], query: list[str]) -> None:
    scores = bm25_scores(documents, query)
    assert len(scores) == len(documents)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("number", [1, 2])
def test_one_or_two_documents_score_higher_the_more_they_match(number: int) -> None:
    documents = [words("river river mill"), words("river corn corn")][:number]
    scores = bm25_scores(documents, words("river mill"))
    assert (scores > 0).all()
    if number == 2:
        assert scores[0] > scores[1]


@pytest.mark.parametrize("number", [0, 1, 2, 5])
def test_documents_without_a_word_score_zero(number: int) -> None:
    assert bm25_scores([[] for _ in range(number)], ["river"]).tolist() == [0.0] * number


def test_words_are_split_at_single_spaces_only() -> None:
    assert words("The  river.\nRuns") == ["The", "", "river.\nRuns"]
