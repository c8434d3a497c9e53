"""BM25 as the rank-bm25 package computes it (``BM25Okapi``, version 0.2.2), vectorised.

The formula: idf(t) = ln(N - n + 0.5) - ln(n + 0.5) for a term in n of N documents; where that is negative, a quarter
of the mean idf over all terms. A document scores the sum over the query's terms, repeated ones counted again, of idf
x tf x (k1 + 1) / (tf + k1 x (1 - b + b x length / mean length)). Scores equal the package's to 1e-9; only the order
of additions differs. Two of its edges are guarded: documents without any word score 0 (it divides by zero), and with
one or two documents, where every idf is at most zero and so is their mean, the size of the mean is taken, so that more
matches still score higher.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_K1 = 1.5
_B = 0.75
_EPSILON = 0.25


def words(text: str) -> list[str]:
    """Returns the terms of a text as OLMoTrace splits it: at single spaces, case and punctuation kept."""
    return text.split(" ")


def bm25_scores(documents: Sequence[Sequence[str]], query: Sequence[str]) -> npt.NDArray[np.float64]:
    """Returns the score of each document for ``query``.

    Cost: one dictionary look-up a word, one sort of as many integers, then work on the query's terms only.
    """
    num_documents = len(documents)
    lengths = np.fromiter(map(len, documents), dtype=np.int64, count=num_documents)
    num_words = int(lengths.sum())
    if num_words == 0:
        return np.zeros(num_documents)
    # A term gets the next number when it is first looked up.
    term_numbers: defaultdict[str, int] = defaultdict(itertools.count().__next__)
    all_words = itertools.chain.from_iterable(documents)
    terms = np.fromiter(map(term_numbers.__getitem__, all_words), dtype=np.int64, count=num_words)
    num_terms = len(term_numbers)

    # One number a (document, term) pair; the runs of equal numbers are the term frequencies.
    pairs = np.repeat(np.arange(num_documents) * num_terms, lengths) + terms
    pairs.sort()
    first = np.flatnonzero(np.diff(pairs, prepend=-1))
    frequencies = np.diff(first, append=num_words)
    pair_documents, pair_terms = np.divmod(pairs[first], num_terms)

    idf = _idf(np.bincount(pair_terms, minlength=num_terms), num_documents)
    weights = np.zeros(num_terms)
    for term, repeats in Counter(query).items():
        if (number := term_numbers.get(term)) is not None:
            weights[number] = idf[number] * repeats

    asked = np.flatnonzero(weights[pair_terms])
    tf = frequencies[asked].astype(np.float64)
    norm = _K1 * (1 - _B + _B * lengths / (num_words / num_documents))
    contributions = weights[pair_terms[asked]] * (tf * (_K1 + 1) / (tf + norm[pair_documents[asked]]))
    scores: npt.NDArray[np.float64] = np.bincount(
        pair_documents[asked], weights=contributions, minlength=num_documents
    ).astype(np.float64)
    return scores


def _idf(document_counts: npt.NDArray[np.int64], num_documents: int) -> npt.NDArray[np.float64]:
    idf = np.log(num_documents - document_counts + 0.5) - np.log(document_counts + 0.5)
    mean = float(idf.mean())
    floor = _EPSILON * (abs(mean) if num_documents <= 2 else mean)
    return np.where(idf < 0, floor, idf)
