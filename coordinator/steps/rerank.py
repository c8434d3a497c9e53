"""Step 7: documents most relevant first.

Law: a permutation of its input; ties by document id, so that equal requests give equal bytes. The score is BM25 over
the windows of this trace as they are shown, with prompt and answer as the query; relevance is the score over 0.18 times
the answer's characters, high from 0.7 and medium from 0.5 (olmo-ui, ``calculate-relevance-score.ts``).
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from coordinator.requests import TraceRequest
from coordinator.results import Relevance
from coordinator.steps.bm25 import bm25_scores
from coordinator.steps.merge import MergedDocument
from coordinator.values import Occurrence

_SCORE_PER_CHARACTER = 0.18
_HIGH = 0.7
_MEDIUM = 0.5


class RankedDocument(NamedTuple):
    """A document with its BM25 score and its relevance, 0 to 1."""

    document: MergedDocument
    score: float
    relevance: float


def rerank(
    documents: Sequence[MergedDocument], occurrences: Sequence[Occurrence], request: TraceRequest
) -> list[RankedDocument]:
    """Returns ``documents`` by falling score. Every occurrence's window counts as a document of the BM25 corpus.

    Without a prompt the query is the answer alone; OLMoTrace, which always has one, would put a space before it.
    """
    query = f"{request.prompt} {request.answer}" if request.prompt else request.answer
    scores = bm25_scores([occurrence.window.text for occurrence in occurrences], query).tolist()
    scale = _SCORE_PER_CHARACTER * len(request.answer)
    ranked = [
        RankedDocument(document, score, min(max(score / scale, 0.0), 1.0))
        for document in documents
        for score in (scores[document.first],)
    ]
    return sorted(ranked, key=lambda ranked: (-ranked.score, ranked.document.id))


def relevance_level(relevance: float) -> Relevance:
    """Returns the bucket of a relevance of 0 to 1."""
    if relevance >= _HIGH:
        return Relevance.HIGH
    return Relevance.MEDIUM if relevance >= _MEDIUM else Relevance.LOW


def highest(relevances: Iterable[float]) -> Relevance:
    """Returns the bucket of the highest of some relevances; low if there are none."""
    return relevance_level(max(relevances, default=0.0))
