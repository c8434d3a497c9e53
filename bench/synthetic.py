"""A larger corpus made of a small one: it follows the text, and jumps now and then to where the same words stand."""

import numpy as np
import numpy.typing as npt

Tokens = npt.NDArray[np.uint16]
_Places = npt.NDArray[np.int64]

# Tokens that the place jumped to has in common with the text so far: as in an n-gram model of this order.
_CONTEXT = 3
# Mean tokens between jumps, beside these. The longest maximal spans of real answers in real text are about as long.
_MEAN_STRETCH = 12
# Texts that are made at once, each by one element of an array, and the least tokens of one.
_MOST_WALKERS = 16_384
_WALK_TOKENS = 4_096


def sampled_corpus(tokens: Tokens, num_tokens: int, seed: int) -> Tokens:
    """Returns about ``num_tokens`` tokens, a separator first, that are locally those of ``tokens``.

    Stretches of a geometric length are copied word for word; after each the copy goes on at a random other place of
    ``tokens`` at which the same three tokens lead up. So every run of three tokens has about the frequency that it has
    in ``tokens``, long matches occur, and the larger the result, the more often each.

    Args:
        tokens: A corpus in the format's layout: a separator (the largest id) before each document.
        num_tokens: How many to make. One document in several thousand tokens is cut short.
        seed: Equal seeds give equal corpora.
    Cost: O(num_tokens); about 40 bytes a token of ``tokens``, and 2 a token made.
    """
    random = np.random.default_rng(seed)
    alike = _PlacesAlike(tokens)
    walkers = min(_MOST_WALKERS, max(1, num_tokens // _WALK_TOKENS))
    per_walker = -(-num_tokens // walkers)
    separators = np.flatnonzero(tokens == np.iinfo(tokens.dtype).max)
    made = np.empty((walkers, per_walker), dtype=tokens.dtype)
    places = random.choice(separators, walkers).astype(np.int64)
    filled = np.zeros(walkers, dtype=np.int64)
    while (active := np.flatnonzero(filled < per_walker)).size:
        starts = places[active]
        lengths = np.minimum(random.geometric(1 / _MEAN_STRETCH, active.size) + _CONTEXT, len(tokens) - starts)
        lengths = np.minimum(lengths, per_walker - filled[active])
        _copy(tokens, starts, made, active * per_walker + filled[active], lengths)
        filled[active] += lengths
        places[active] = alike.jump(starts + lengths, random)
    return made.ravel()[:num_tokens]


class _PlacesAlike:
    """All positions of a corpus, grouped by the tokens that lead up to them."""

    def __init__(self, tokens: Tokens) -> None:
        keys = np.zeros(len(tokens) - _CONTEXT + 1, dtype=np.uint64)
        for back in range(_CONTEXT):
            keys = (keys << np.uint64(16)) | tokens[back : len(tokens) - _CONTEXT + 1 + back]
        self._order = np.argsort(keys, kind="stable").astype(np.int32)
        ordered = keys[self._order]
        firsts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        self._groups = np.concatenate((firsts, [len(ordered)])).astype(np.int32)
        self._group_of = np.empty(len(keys), dtype=np.int32)
        self._group_of[self._order] = np.repeat(np.arange(len(firsts), dtype=np.int32), np.diff(self._groups))

    def jump(self, places: _Places, random: np.random.Generator) -> _Places:
        """Returns for each place a random one, itself among them, that the same tokens lead up to; all >= 3."""
        groups = self._group_of[places - _CONTEXT]
        firsts, ends = self._groups[groups], self._groups[groups + 1]
        chosen = self._order[random.integers(firsts, ends)].astype(np.int64) + _CONTEXT
        # The end of the corpus leads nowhere; go on at its beginning, which is a document's.
        return np.where(chosen < len(self._group_of) + _CONTEXT - 1, chosen, 0)


def _copy(tokens: Tokens, starts: _Places, made: npt.NDArray[np.uint16], to: _Places, lengths: _Places) -> None:
    """Copies ``tokens[starts[i] : starts[i] + lengths[i]]`` to position ``to[i]`` of ``made``, for every i."""
    ends = np.cumsum(lengths)
    within = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
    made.ravel()[np.repeat(to, lengths) + within] = tokens[np.repeat(starts, lengths) + within]
