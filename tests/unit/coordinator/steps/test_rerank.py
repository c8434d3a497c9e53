import pytest

from coordinator.requests import TraceRequest
from coordinator.results import Relevance
from coordinator.steps.merge import merge_documents
from coordinator.steps.rerank import highest, relevance_level, rerank
from tests.unit.coordinator.steps.test_merge import occurrence

REQUEST = TraceRequest(answer="green turtles swim", prompt="What do turtles do?")


def ranked(*texts_of_documents, request=REQUEST):
    occurrences = [occurrence(0, number, text) for number, text in texts_of_documents]
    return rerank(merge_documents(occurrences), occurrences, request)


def test_documents_come_by_falling_score():
    documents = ranked((1, "nothing here"), (2, "green turtles swim"), (3, "turtles walk"), (4, "x"), (5, "y"))
    assert [document.document.id.number for document in documents[:2]] == [2, 3]
    assert documents[0].score > documents[1].score > 0


def test_equal_scores_are_ordered_by_document():
    documents = ranked((9, "same words"), (3, "same words"), (5, "same words"), (1, "others"))
    assert [document.document.id.number for document in documents if document.score == 0] == [1, 3, 5, 9]


def test_the_first_seen_window_stands_for_its_document():
    documents = ranked((1, "dull"), (1, "green turtles swim"), (2, "grey"), (3, "blue"), (4, "red"))
    assert {document.document.id.number: document.score for document in documents}[1] == 0


def test_the_prompt_weighs_in():
    texts = ((1, "What do we see"), (2, "a b c d"), (3, "e f g h"), (4, "i j k l"))
    assert ranked(*texts)[0].score > 0
    assert ranked(*texts, request=TraceRequest(answer=REQUEST.answer))[0].score == 0


def test_relevance_is_the_score_over_the_answers_length_between_0_and_1():
    documents = ranked((1, "green turtles swim"), (2, "a b c"), (3, "d e f"), (4, "g h i"))
    assert documents[0].relevance == pytest.approx(min(documents[0].score / (0.18 * len(REQUEST.answer)), 1.0))
    assert all(0.0 <= document.relevance <= 1.0 for document in documents)


@pytest.mark.parametrize(
    ("relevance", "level"),
    [
        (1.0, Relevance.HIGH),
        (0.7, Relevance.HIGH),
        (0.69, Relevance.MEDIUM),
        (0.5, Relevance.MEDIUM),
        (0.49, Relevance.LOW),
    ],
)
def test_relevance_is_bucketed_as_olmotrace_colours_it(relevance, level):
    assert relevance_level(relevance) is level


def test_the_highest_of_nothing_is_low():
    assert highest([]) is Relevance.LOW
    assert highest([0.1, 0.8, 0.3]) is Relevance.HIGH


def test_no_documents_rank_to_none():
    assert ranked() == []
