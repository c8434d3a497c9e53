"""Counts the tokens of a text that passes by in pieces: what becomes the unigram file."""

import numpy as np

from indexing.token_types import TOKEN_TYPES, separator_id


class TokenCounts:
    """How often each token occurred so far. Holds 8 bytes an entry of the vocabulary."""

    def __init__(self, token_width: int, vocab_size: int):
        self._token_type = TOKEN_TYPES[token_width]
        self._separator = separator_id(token_width)
        self._end = min(vocab_size, self._separator)
        # The last counts separators and ids outside the vocabulary.
        self._counts = np.zeros(self._end + 1, dtype=np.int64)
        self.num_documents = 0
        self.num_tokens = 0

    @property
    def num_unknown(self) -> int:
        """Tokens that the vocabulary has no entry for."""
        return int(self._counts[-1]) - self.num_documents

    def add(self, block: bytes | memoryview) -> None:
        """Counts a piece of the text, a whole number of tokens."""
        token_ids = np.frombuffer(block, dtype=self._token_type)
        self.num_tokens += len(token_ids)
        self.num_documents += int(np.count_nonzero(token_ids == self._separator))
        self._counts += np.bincount(np.minimum(token_ids, self._end), minlength=len(self._counts))

    def lines(self) -> bytes:
        """Returns the content of the unigram file: an id and its count a line, those that occur, the separator last."""
        counts = self._counts[: self._end]
        lines = [f"{token_id} {counts[token_id]}\n" for token_id in np.flatnonzero(counts)]
        lines.append(f"{self._separator} {self.num_documents}\n")
        return "".join(lines).encode()
