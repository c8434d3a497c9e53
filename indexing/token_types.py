"""Tokens as they lie in files: little-endian, of 1, 2 or 4 bytes, the largest id of a width left to the separator."""

import numpy as np

TOKEN_TYPES: dict[int, np.dtype[np.unsignedinteger]] = {1: np.dtype("<u1"), 2: np.dtype("<u2"), 4: np.dtype("<u4")}


def separator_id(token_width: int) -> int:
    """Returns the id that stands before each document: the largest of its width."""
    return int(np.iinfo(TOKEN_TYPES[token_width]).max)
