"""A corpus as large as another in which every document is there twenty times, or nearly so."""

import numpy as np
import numpy.typing as npt

Tokens = npt.NDArray[np.unsignedinteger]


def repeated_text(tokens: Tokens, copies: int, *, edited: int, seed: int) -> Tokens:
    """Returns about as many tokens as there are, of 1 / ``copies`` of the documents, each so often, in random order.

    Args:
        tokens: A corpus in the format's layout: a separator (the largest id) before each document.
        copies: How often each document that is drawn is there.
        edited: Tokens drawn from the corpus that are put before and after each copy, so that no two are equal.
        seed: Equal seeds give equal corpora.
    """
    random = np.random.default_rng(seed)
    separator = np.iinfo(tokens.dtype).max
    starts = np.flatnonzero(tokens == separator)
    ends = np.append(starts[1:], len(tokens))
    drawn = random.permutation(len(starts))
    enough = int(np.searchsorted(np.cumsum(ends[drawn] - starts[drawn]), len(tokens) / copies)) + 1
    words = tokens[tokens != separator]
    pieces = []
    for document in random.permutation(np.repeat(drawn[:enough], copies)):
        before, after = random.choice(words, edited), random.choice(words, edited)
        pieces += [tokens[starts[document] : starts[document] + 1], before]
        pieces += [tokens[starts[document] + 1 : ends[document]], after]
    return np.concatenate(pieces)
