"""Encodes documents piece by piece and remembers the tokens of each piece: what repeats is looked up.

Where a text may be cut so that the tokens stay those of the whole text depends on the make of the tokenizer:
`word_pieces` and `byte_level_pieces` know one make each, and prove their cuts. A document that they do not cut is
encoded whole.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import tokenizers

from index_format.tokenizer import JsonTokenizer, TokenIds, encodings

# About 200 bytes a piece. The words of 100 MB of mixed English text are 540,000 pieces.
BYTES_A_PIECE = 200
DEFAULT_MEMORY_BYTES = 100 << 20
_LONGEST_REMEMBERED = 64
# A private-use character; a text that holds it is encoded whole. One only: longer ones overlap what stands before them.
SEPARATOR = "\uf8fe"
_PIECES_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Cuts:
    """Where the texts of one tokenizer may be cut.

    Attributes:
        pieces: Returns the pieces of a text, or None for one that must be encoded whole.
        spelled: Returns a text as the model of the tokenizer is given it, character by character.
        fixed: Tokens of pieces that the model does not make.
    """

    pieces: Callable[[str], Sequence[str] | None]
    spelled: Callable[[str], str] = str
    fixed: Mapping[str, int] = field(default_factory=dict)


class PieceEncoder:
    """Encodes as ``tokenizer.encode_batch`` does, several times faster on text whose words repeat."""

    def __init__(self, tokenizer: JsonTokenizer, cuts: Cuts, memory_bytes: int = DEFAULT_MEMORY_BYTES):
        """Holds at most about ``memory_bytes`` of pieces, and those of the texts that are encoded together."""
        self._tokenizer = tokenizer
        self._cuts = cuts
        self._model = tokenizers.Tokenizer(tokenizer.model)
        separator = cuts.spelled(SEPARATOR)
        self._model.add_special_tokens([tokenizers.AddedToken(separator, normalized=False, special=True)])
        self._separator_id = self._model.token_to_id(separator)
        self._most_remembered = max(1, memory_bytes // BYTES_A_PIECE // 2)
        # Pieces that came up lately, and those that did before them: what comes up again is not forgotten.
        self._lately: dict[str, bytes] = {}
        self._before: dict[str, bytes] = {}
        self._fixed = {piece: np.array([id_], dtype=np.uint32).tobytes() for piece, id_ in cuts.fixed.items()}

    def encode_batch(self, texts: Sequence[str]) -> list[TokenIds]:
        """Returns the token ids of many documents. No special tokens are added."""
        split = [self._pieces(text) for text in texts]
        whole = self._tokenizer.encode_batch(
            [text for text, pieces in zip(texts, split, strict=True) if pieces is None]
        )
        long = self._learn(set().union(*(pieces for pieces in split if pieces is not None)))
        tokens_of = self._lately.__getitem__
        uncut = iter(whole)
        token_ids = [next(uncut) if pieces is None else _token_ids(map(tokens_of, pieces)) for pieces in split]
        for piece in long:
            del self._lately[piece]
        return token_ids

    def _pieces(self, text: str) -> Sequence[str] | None:
        return None if SEPARATOR in text else self._cuts.pieces(text)

    def _learn(self, pieces: set[str]) -> list[str]:
        """Remembers the tokens of all pieces, and returns those that are too long to keep."""
        if len(self._lately) > self._most_remembered:
            self._before, self._lately = self._lately, {}
        known = self._lately
        known.update(self._fixed)
        new = []
        for piece in pieces.difference(known):  # not ``- known.keys()``, which looks at every key
            if (tokens := self._before.get(piece)) is None:
                new.append(piece)
            else:
                known[piece] = tokens
        known.update(zip(new, self._encode(new), strict=True))
        return [piece for piece in new if len(piece) > _LONGEST_REMEMBERED]

    def _encode(self, pieces: Sequence[str]) -> Iterator[bytes]:
        # One text of many pieces: a text of its own for each takes twice as long.
        joined = [
            self._cuts.spelled(SEPARATOR.join(pieces[first : first + _PIECES_AT_ONCE]))
            for first in range(0, len(pieces), _PIECES_AT_ONCE)
        ]
        for encoding in encodings(self._model, joined):
            token_ids = np.array(encoding.ids, dtype=np.uint32)
            ends = np.append(np.flatnonzero(token_ids == self._separator_id), len(token_ids)) * token_ids.itemsize
            content = token_ids.tobytes()
            start = 0
            for end in ends.tolist():
                yield content[start:end]
                start = end + token_ids.itemsize


def _token_ids(pieces: Iterable[bytes]) -> TokenIds:
    return np.frombuffer(b"".join(pieces), dtype=np.uint32)
