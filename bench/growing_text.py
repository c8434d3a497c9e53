"""Text of any size whose suffixes are as alike as those of real text of that size."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

Tokens = npt.NDArray[np.uint16]
_Places = npt.NDArray[np.int64]

# Mean tokens until the text goes on elsewhere, and the share of these times at which it repeats a known passage. Of
# passages, _SHORTEST to _LONGEST tokens long, x times as long ones are x ** (1 / _FALL) times as rare.
_MEAN_STRETCH = 4
_REPEATING = 0.03
_SHORTEST, _LONGEST, _FALL = 8, 4_000, 0.7
# Passages, the r-th one as often as 1 / r.
_PASSAGES = 1_000_000
_SPREAD = 29_791_057
# Texts that are made at once, each by one element of an array.
_WALKERS = 4_096
_WALK_TOKENS = 8_192
# Entries of the vocabulary of dolma2.
_WIDE_VOCABULARY = 100_278
_SEPARATORS = {2: 0xFFFF, 4: 0xFFFF_FFFF}
_TOKEN_TYPES: dict[int, np.dtype[np.unsignedinteger]] = {2: np.dtype("<u2"), 4: np.dtype("<u4")}


class GrowingText:
    """Writes texts made of a corpus: a chain of words in the order that they have there, with passages that recur.

    What makes text of a size hard to sort is how many tokens neighbours in the table share. A larger text that only
    repeats a small corpus is far too alike: at ten times the corpus of the bench `synthetic.sampled_corpus` has 21
    tokens on average where real text would have 6. Here the text follows the corpus for a geometric number of tokens
    and goes on at a random place where the same *one* token leads up. That gives as many new runs of words as in real
    text. Long matches come from passages that are repeated, some often, most once or never again, for as long as real
    text has more of them the more there is of it.

    Tokens shared by neighbours, means below 255, and shares with at least 16 and 50, of every third document of the
    shared corpus (9.8 million tokens) and the whole (29.8 million), and of what this makes:

    ============  =================  =================
    tokens        the corpus         this
    ============  =================  =================
    10 million    4.8  4.5 %  1.4 %  4.6  3.3 %  1.4 %
    30 million    5.4  5.7 %  1.9 %  5.4  4.2 %  1.9 %
    100 million   6.2  6.9 %  2.5 %  6.7  5.4 %  2.4 %
    ============  =================  =================

    (The corpus's own at 100 million are not measured, but a line through the two on a logarithmic scale.)
    """

    def __init__(self, tokens: Tokens):
        """Prepares to make texts of ``tokens``, in the format's layout: a separator (65,535) before each document.

        Cost: 10 bytes a token, and 20 for a moment.
        """
        self._tokens = tokens
        self._separators = np.flatnonzero(tokens == _SEPARATORS[2])
        # Positions grouped by their token: those of token t are order[groups[t] : groups[t + 1]].
        self._order = np.argsort(tokens, kind="stable").astype(np.int32)
        self._groups = np.concatenate(([0], np.cumsum(np.bincount(tokens, minlength=_SEPARATORS[2] + 1))))

    def write(self, path: Path, num_tokens: int, width: int, seed: int) -> None:
        """Writes a text of ``num_tokens`` tokens of ``width`` bytes (2 or 4), a separator first.

        With 4 bytes it is the same text with other ids: those of dolma2's vocabulary, drawn at random.

        Cost: 20 million tokens a second; memory does not grow with ``num_tokens``.
        """
        ids = self._ids(width, seed)
        with path.open("wb") as file:
            for piece, start in enumerate(range(0, num_tokens, _WALKERS * _WALK_TOKENS)):
                random = np.random.default_rng((seed, piece))
                made = self._piece(min(num_tokens - start, _WALKERS * _WALK_TOKENS), random)
                ids[made].tofile(file)

    def _ids(self, width: int, seed: int) -> npt.NDArray[np.unsignedinteger]:
        """Returns the id of each token of the corpus."""
        separator = _SEPARATORS[2]
        ids: npt.NDArray[np.unsignedinteger] = np.arange(separator + 1).astype(_TOKEN_TYPES[width])
        if width == 4:
            ids[:separator] = np.random.default_rng(seed).permutation(_WIDE_VOCABULARY)[:separator]
            ids[separator] = _SEPARATORS[width]
        return ids

    def _piece(self, num_tokens: int, random: np.random.Generator) -> Tokens:
        walkers = min(_WALKERS, -(-num_tokens // _WALK_TOKENS))
        per_walker = -(-num_tokens // walkers)
        made = np.empty(walkers * per_walker, dtype=np.uint16)
        places = random.choice(self._separators, walkers).astype(np.int64)
        filled = np.zeros(walkers, dtype=np.int64)
        active = np.arange(walkers)
        while active.size:
            # A walker begins at a separator, so at least one token leads up to every place that it goes on from.
            starts, lengths = self._stretches(places[active], filled[active], random)
            lengths = np.minimum(lengths, np.minimum(len(self._tokens) - starts, per_walker - filled[active]))
            _copy(self._tokens, starts, made, active * per_walker + filled[active], lengths)
            filled[active] += lengths
            places[active] = self._elsewhere(starts + lengths, random)
            active = np.flatnonzero(filled < per_walker)
        return made[:num_tokens]

    def _stretches(self, places: _Places, filled: _Places, random: np.random.Generator) -> tuple[_Places, _Places]:
        """Returns where each walker copies from, and how much: from its place, or a passage."""
        number = places.size
        repeats = (random.random(number) < _REPEATING) & (filled > 0)
        ranks = (_PASSAGES ** random.random(number)).astype(np.int64)
        of_passages = np.minimum(_SHORTEST / (1 - random.random(number)) ** _FALL, _LONGEST).astype(np.int64)
        starts = np.where(repeats, ranks * _SPREAD % len(self._tokens), places)
        return starts, np.where(repeats, of_passages, random.geometric(1 / _MEAN_STRETCH, number))

    def _elsewhere(self, places: _Places, random: np.random.Generator) -> _Places:
        """Returns for each place a random one, itself among them, that the same token leads up to."""
        leading = self._tokens[places - 1].astype(np.int64)
        chosen = self._order[random.integers(self._groups[leading], self._groups[leading + 1])].astype(np.int64) + 1
        # The end of the corpus leads nowhere; go on at its beginning, which is a document's.
        return np.where(chosen < len(self._tokens), chosen, 0)


def _copy(tokens: Tokens, starts: _Places, made: Tokens, to: _Places, lengths: _Places) -> None:
    """Copies ``tokens[starts[i] : starts[i] + lengths[i]]`` to position ``to[i]`` of ``made``, for every i."""
    ends = np.cumsum(lengths)
    within = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
    made[np.repeat(to, lengths) + within] = tokens[np.repeat(starts, lengths) + within]
