"""BM25 as the rank-bm25 package computes it (``BM25Okapi``, version 0.2.2), vectorised.

The formula: idf(t) = ln(N - n + 0.5) - ln(n + 0.5) for a term in n of N texts; where that is negative, a quarter of the
mean idf over all terms of the texts. A text scores the sum over the query's terms, repeated ones counted again, of idf
x tf x (k1 + 1) / (tf + k1 x (1 - b + b x length / mean length)). Scores equal the package's to 1e-9; only the order of
additions differs. One of its edges is guarded: with one or two texts, where every idf is at most zero and so is their
mean, the size of the mean is taken, so that more matches still score higher.

Terms are what OLMoTrace splits a text into: at single spaces, case and punctuation kept, so that two spaces have an
empty term between them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow

_K1 = 1.5
_B = 0.75
_EPSILON = 0.25
_SPACE = ord(" ")

Integers = npt.NDArray[np.int64]


def prepare() -> None:
    """Has Arrow set up its functions: 35 ms, once a process, that no request should wait for."""
    bm25_scores(["a word"], "word")


def bm25_scores(texts: Sequence[str], query: str) -> npt.NDArray[np.float64]:
    """Returns the score of each text for ``query``.

    Cost: one pass for the spaces, one hash look-up a word, one sort of as many integers, then work on the query's terms
    only; about 50 ns a word. Releases the GIL in its larger parts.
    """
    num_texts = len(texts)
    if num_texts == 0:
        return np.zeros(0)
    # The query comes last, so that the terms of the texts have the lowest numbers.
    words = _words([*texts, query])
    lengths = words.lengths[:-1]
    num_words = int(lengths.sum())
    in_texts, in_query = words.terms[:num_words], words.terms[num_words:]
    num_terms = int(in_texts.max()) + 1

    # One number a (term, text) pair; the runs of equal numbers are the term frequencies.
    pairs = in_texts.astype(np.int64) * num_texts
    pairs += np.repeat(np.arange(num_texts), lengths)
    pairs.sort()
    first = np.flatnonzero(np.concatenate(([True], pairs[1:] != pairs[:-1])))
    frequencies = np.diff(first, append=num_words)
    pairs = pairs[first]
    pair_terms = pairs // num_texts

    idf = _idf(np.bincount(pair_terms), num_texts)
    weights = idf * np.bincount(in_query, minlength=num_terms)[:num_terms]

    asked = np.flatnonzero(weights[pair_terms])
    terms, tf = pair_terms[asked], frequencies[asked].astype(np.float64)
    numbers = pairs[asked] - terms * num_texts
    norm = _K1 * (1 - _B + _B * lengths / (num_words / num_texts))
    contributions = weights[terms] * (tf * (_K1 + 1) / (tf + norm[numbers]))
    scores: npt.NDArray[np.float64] = np.bincount(numbers, weights=contributions, minlength=num_texts).astype(
        np.float64
    )
    return scores


@dataclass(frozen=True, slots=True)
class _Words:
    """The words of some texts, one text after the other.

    ``terms`` numbers the distinct words from 0 in the order in which they first come; ``lengths`` are words a text.
    """

    terms: npt.NDArray[np.int32]
    lengths: Integers


def _words(texts: Sequence[str]) -> _Words:
    """Returns the words of at least one text, split at every space."""
    encoded = [text.encode() for text in texts]
    joined = b" ".join([*encoded, b""])  # each word, the last one too, ends with the space after it
    spaces = np.flatnonzero(np.frombuffer(joined, dtype=np.uint8) == _SPACE)
    offsets = np.zeros(len(spaces) + 1, dtype=np.int64)
    np.add(spaces, 1, out=offsets[1:])
    buffers = [None, pyarrow.py_buffer(offsets), pyarrow.py_buffer(joined)]
    words = pyarrow.Array.from_buffers(pyarrow.large_binary(), len(spaces), buffers)
    ends = np.cumsum([len(text) + 1 for text in encoded])
    return _Words(
        terms=words.dictionary_encode().indices.to_numpy(),
        lengths=np.diff(np.searchsorted(offsets, ends), prepend=0),
    )


def _idf(texts_with_term: Integers, num_texts: int) -> npt.NDArray[np.float64]:
    """Returns the idf of each term, from the number of texts it is in."""
    holding = np.arange(num_texts + 1)
    by_holding = np.log(num_texts - holding + 0.5) - np.log(holding + 0.5)
    idf = by_holding[texts_with_term]
    mean = float(idf.mean())
    floor = _EPSILON * (abs(mean) if num_texts <= 2 else mean)
    return np.where(idf < 0, floor, idf)
