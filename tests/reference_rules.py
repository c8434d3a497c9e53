"""OLMoTrace's rules after the search, written down straight: sample, windows, scores, merge, order, colour.

What production does (olmo-api and olmo-ui), without any of our code and without any thought of speed. The search
before it is `tests.oracle`. Left out are the take-down list and the personal-data filter, which drop documents.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rank_bm25 import BM25Okapi

DocumentKey = tuple[int, int]
OCCURRENCES_PER_SPAN = 10
SEED = 42
CONTEXT_TOKENS = 250
SNIPPET_TOKENS = 40


@dataclass(frozen=True, slots=True)
class FoundSpan:
    """A kept span ``[left, right)`` of the answer and every occurrence, as ``(shard, rank)``, by shard, then rank."""

    left: int
    right: int
    occurrences: Sequence[tuple[int, int]]


class Corpus(Protocol):
    """Where occurrences are, and what is round them."""

    def locate(self, shard: int, rank: int) -> tuple[DocumentKey, int]:
        """Returns the document of an occurrence and its first token's position there."""

    def tokens(self, document: DocumentKey) -> Sequence[int]:
        """Returns the tokens of a document."""

    def decode(self, token_ids: Sequence[int]) -> str:
        """Returns the tokenizer's own text of some tokens."""


@dataclass(slots=True)
class RetrievedDocument:
    """One occurrence with its texts, as the first service returns it; ``score`` is set by the second."""

    document: DocumentKey
    span: int
    start: int
    text_long: str
    snippet: str
    score: float = 0.0


@dataclass(slots=True)
class MappedDocument:
    """A document as it is shown, with the score of the first snippet seen."""

    document: DocumentKey
    score: float
    text_long: str
    snippets: list[str]
    starts: list[int]
    spans: set[int]


@dataclass(slots=True)
class FlatSpan:
    """Overlapping spans as one, and which they are."""

    left: int
    right: int
    nested: list[int] = field(default_factory=list)


def sample(occurrences: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Returns at most ten of the occurrences; the seed is set anew for every span."""
    generator = random.Random(SEED)
    if len(occurrences) > OCCURRENCES_PER_SPAN:
        return generator.sample(list(occurrences), OCCURRENCES_PER_SPAN)
    return list(occurrences)


def retrieve(spans: Sequence[FoundSpan], corpus: Corpus) -> list[RetrievedDocument]:
    """Returns the sampled occurrences of every span with their long text and their snippet."""
    retrieved = []
    for number, span in enumerate(spans):
        for shard, rank in sample(span.occurrences):
            document, start = corpus.locate(shard, rank)
            tokens = corpus.tokens(document)
            end = start + span.right - span.left
            long = tokens[max(0, start - CONTEXT_TOKENS) : end + CONTEXT_TOKENS]
            snippet = tokens[max(0, start - SNIPPET_TOKENS) : end + SNIPPET_TOKENS]
            retrieved.append(RetrievedDocument(document, number, start, corpus.decode(long), corpus.decode(snippet)))
    return retrieved


def score(retrieved: Sequence[RetrievedDocument], prompt: str, response: str) -> None:
    """Sets the BM25 score of every retrieved text, each one a document of its own."""
    if not retrieved:
        return
    ranking = BM25Okapi([document.text_long.split(" ") for document in retrieved])
    scores = ranking.get_scores((prompt + " " + response).split(" "))
    for document, value in zip(retrieved, scores, strict=True):
        document.score = float(value)


def merge_documents(retrieved: Sequence[RetrievedDocument]) -> list[MappedDocument]:
    """Returns the documents, those with the highest score first; equal snippets are shown once."""
    mapped: dict[DocumentKey, MappedDocument] = {}
    for found in retrieved:
        known = mapped.get(found.document)
        if known is None:
            mapped[found.document] = MappedDocument(
                found.document, found.score, found.text_long, [found.snippet], [found.start], {found.span}
            )
            continue
        if found.snippet not in known.snippets:
            known.snippets.append(found.snippet)
            known.starts.append(found.start)
        known.spans.add(found.span)
    return sorted(mapped.values(), key=lambda document: document.score, reverse=True)


def flatten_spans(spans: Sequence[FoundSpan]) -> list[FlatSpan]:
    """Returns overlapping spans as one; spans that only touch stay two."""
    flat: list[FlatSpan] = []
    order = sorted(range(len(spans)), key=lambda n: (spans[n].left, spans[n].right - spans[n].left))
    for number in order:
        span = spans[number]
        if flat:
            current = flat[-1]
            starts_inside = current.left <= span.left < current.right
            ends_inside = current.left <= span.right < current.right
            if starts_inside or ends_inside:
                current.left, current.right = min(current.left, span.left), max(current.right, span.right)
                current.nested.append(number)
                continue
        flat.append(FlatSpan(span.left, span.right, [number]))
    return flat


def relevance(value: float, response: str) -> str:
    """Returns the colour of a score: by its ratio to the answer's length in characters."""
    normalized = min(1.0, max(0.0, value / (0.18 * len(response))))
    if normalized >= 0.7:
        return "high"
    return "medium" if normalized >= 0.5 else "low"
