"""Seeded corpora of some thousand tokens, full of what a fan-out page finds hard, and queries for them.

A page of the fan-out holds about a thousand ranks, an LCP counts to 255, and a key of the directory has at most 64
bytes: the corpora of `strategies` never reach any of these edges.
"""

from collections.abc import Callable

import numpy as np

from suffix_engine import fan_out_bytes
from tests.property.strategies import ALPHABETS, Query

Document = list[int]

_ONE_PAGE_BYTES = 2 * 4096  # the header's page comes first
RANKS_PER_PAGE = {
    width: next(ranks for ranks in range(1, 4096) if fan_out_bytes(ranks + 1, width) > _ONE_PAGE_BYTES)
    for width in ALPHABETS
}


class LargeCorpus:
    """Documents made of a seed: equal arguments give equal documents and equal queries."""

    def __init__(self, kind: str, width: int, seed: int) -> None:
        self.kind, self.width, self.seed = kind, width, seed
        self._generator = np.random.default_rng([seed, width, list(KINDS).index(kind)])
        ids = self._generator.permutation(ALPHABETS[width])
        self.alphabet: list[int] = ids[: self._generator.integers(2, 6)].tolist()
        self._absent = int(ids[-1])
        self.documents: list[Document] = KINDS[kind](self)

    def __str__(self) -> str:
        size = sum(len(document) + 1 for document in self.documents)
        return f"{self.kind} of {size} positions, width {self.width}, seed {self.seed}"

    def number(self, low: int, high: int) -> int:
        """Returns a number in ``[low, high)``."""
        return int(self._generator.integers(low, high))

    def tokens(self, length: int) -> Document:
        """Returns random tokens, the first of the alphabet half of the time."""
        weights = np.full(len(self.alphabet), 0.5 / (len(self.alphabet) - 1))
        weights[0] = 0.5
        return self._generator.choice(self.alphabet, size=length, p=weights).tolist()

    def length(self) -> int:
        """Returns a length: mostly short, now and then past what an LCP counts or a key holds."""
        longest = [3, 12, 40, 70, 200, 300, 700, 1500][self.number(0, 8)]
        return self.number(0, longest + 1)

    def piece(self) -> Document:
        """Returns a run of tokens of a document, now and then to its end."""
        number = len(self.documents) - 1 if self.number(0, 8) == 0 else self.number(0, len(self.documents))
        document = self.documents[number]
        length = min(self.length(), len(document))
        start = len(document) - length if self.number(0, 4) == 0 else self.number(0, len(document) - length + 1)
        return document[start : start + length]

    def query(self) -> Query:
        """Returns pieces of documents, noise and runs of one token, with all or some positions as word starts."""
        parts: list[Document] = []
        for _ in range(self.number(1, 4)):
            parts.append(self.piece())
            if self.number(0, 2):
                parts.append(self.tokens(self.number(0, 4)))
            if self.number(0, 6) == 0:
                parts.append([self.alphabet[self.number(0, len(self.alphabet))]] * self.length())
            if self.number(0, 10) == 0:
                parts.append([self._absent])
        tokens = [token for part in parts for token in part] or self.tokens(1)
        density = (1.0, 1.0, 0.5, 0.05)[self.number(0, 4)]
        starts = np.flatnonzero(self._generator.random(len(tokens)) < density)
        cuts = 1 + np.flatnonzero(self._generator.random(len(tokens)) < (0.0, 0.0, 0.01, 0.2)[self.number(0, 4)])
        return Query(tuple(tokens), tuple(starts.tolist()), tuple(cuts.tolist()))


def _random(corpus: LargeCorpus) -> list[Document]:
    return [corpus.tokens(corpus.length()) for _ in range(corpus.number(10, 80))]


def _near_duplicates(corpus: LargeCorpus) -> list[Document]:
    templates = [corpus.tokens(corpus.length() + 1) for _ in range(corpus.number(1, 5))]
    documents = []
    for _ in range(corpus.number(20, 120)):
        document = list(templates[corpus.number(0, len(templates))])
        if corpus.number(0, 2):
            document[corpus.number(0, len(document))] = corpus.tokens(1)[0]
        if corpus.number(0, 4) == 0:
            document = document[: corpus.number(0, len(document) + 1)]
        documents.append(document)
    return documents


def _long_runs(corpus: LargeCorpus) -> list[Document]:
    documents = []
    for _ in range(corpus.number(3, 14)):
        parts = [[corpus.tokens(1)[0]] * corpus.number(1, 2500) for _ in range(corpus.number(1, 4))]
        documents.append([token for part in parts for token in part] + corpus.tokens(corpus.number(0, 3)))
    return documents


def _one_run(corpus: LargeCorpus) -> list[Document]:
    # The same run in many documents: thousands of suffixes that agree for longer than an LCP or a key tells.
    run = [corpus.alphabet[0]] * corpus.number(200, 900)
    tails = [corpus.tokens(corpus.number(0, 3)) for _ in range(corpus.number(5, 30))]
    return [corpus.tokens(corpus.number(0, 2)) + run + tail for tail in tails]


def _periods(corpus: LargeCorpus) -> list[Document]:
    documents = []
    for _ in range(corpus.number(4, 20)):
        period = corpus.tokens(corpus.number(1, 20))
        documents.append(
            (period * corpus.number(1, 100))[: corpus.number(1, 2000)] + corpus.tokens(corpus.number(0, 4))
        )
    return documents


def _tiny_documents(corpus: LargeCorpus) -> list[Document]:
    return [corpus.tokens(corpus.number(0, 3)) for _ in range(corpus.number(700, 4000))]


def _empty_documents(corpus: LargeCorpus) -> list[Document]:
    documents: list[Document] = [[] for _ in range(corpus.number(900, 5000))]
    for _ in range(corpus.number(1, 5)):
        documents[corpus.number(0, len(documents))] = corpus.tokens(corpus.length() + 1)
    return documents


def _whole_pages(corpus: LargeCorpus) -> list[Document]:
    # Some quarters of a page, exactly, or one rank less or more: blocks of the directory are parts of a page.
    size = RANKS_PER_PAGE[corpus.width] * corpus.number(1, 13) // 4 + corpus.number(-1, 2)
    return _cut_to(_near_duplicates(corpus) + _random(corpus), size, corpus)


def _cut_to(documents: list[Document], size: int, corpus: LargeCorpus) -> list[Document]:
    kept: list[Document] = []
    for document in documents:
        left = size - sum(len(other) + 1 for other in kept)
        if left <= 0:
            return kept
        kept.append(document[: left - 1])
    left = size - sum(len(other) + 1 for other in kept)
    return kept if left <= 0 else [*kept, corpus.tokens(left - 1)]


def _smallest(corpus: LargeCorpus) -> list[Document]:
    return [corpus.tokens(corpus.number(0, 2)) for _ in range(corpus.number(1, 3))]


def _mixture(corpus: LargeCorpus) -> list[Document]:
    kinds = (_random, _near_duplicates, _long_runs, _periods, _empty_documents)
    documents = [document for kind in kinds for document in kind(corpus)[: corpus.number(1, 30)]]
    order = corpus._generator.permutation(len(documents))
    return _cut_to([documents[number] for number in order], corpus.number(1000, 30_000), corpus)


KINDS: dict[str, Callable[[LargeCorpus], list[Document]]] = {
    "random documents": _random,
    "near duplicates": _near_duplicates,
    "long runs": _long_runs,
    "one run": _one_run,
    "periods": _periods,
    "tiny documents": _tiny_documents,
    "empty documents": _empty_documents,
    "whole pages": _whole_pages,
    "a mixture": _mixture,
    "the smallest": _smallest,
}
