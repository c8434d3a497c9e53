"""Where the tokens of a text begin and end, in characters.

n tokens have n + 1 boundaries that tile the text. A character made of several tokens belongs to the last of them, so
the earlier ones are empty.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Boundaries = npt.NDArray[np.uint32]


def boundaries_of_pieces(text: str, joined: bytes, lengths: npt.NDArray[np.int64]) -> Boundaries | None:
    """Returns the boundaries of tokens with the bytes ``joined`` and these lengths, or None if the text has others.

    They are the text's if they are its UTF-8, perhaps after one space that the tokenizer puts before every text.
    """
    content = text.encode()
    prefix = len(joined) - len(content)
    if prefix not in (0, 1) or not joined.endswith(content) or joined[:prefix] not in (b"", b" "):
        return None
    ends = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=ends[1:])
    np.maximum(ends - prefix, 0, out=ends)
    if not text.isascii():
        ends = characters_before(content)[ends]
    return ends.astype(np.uint32)


def boundaries_of_offsets(text: str, offsets: Sequence[tuple[int, int]]) -> Boundaries:
    """Returns the boundaries of tokens with these offsets ``(start, end)`` in characters.

    Offsets of the tokenizers package leave gaps (byte-level BPE trims the space before a word) and overlap (several
    byte tokens of one character; the prefix space of an answer that starts with a digit). A gap goes to the token after
    it, an overlap to the last token.
    """
    if len(offsets) == 0:
        return np.array([0], dtype=np.uint32)
    pairs = np.array(offsets, dtype=np.int64)
    inner = np.minimum(pairs[:-1, 1], pairs[1:, 0])
    boundaries = np.concatenate(([0], inner, [len(text)]))
    return np.maximum.accumulate(boundaries).astype(np.uint32)


def characters_before(content: bytes) -> npt.NDArray[np.int64]:
    """Returns, for each of the n + 1 offsets in valid UTF-8, how many characters end there or earlier."""
    begins_character = (np.frombuffer(content, dtype=np.uint8) & 0xC0) != 0x80
    ends_character = np.append(begins_character[1:], True)[: len(content)]
    return np.concatenate(([0], np.cumsum(ends_character)))
