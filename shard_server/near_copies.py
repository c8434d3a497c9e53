"""Finds documents that repeat much of another one word for word, for a person to decide on.

Windows of 32 tokens of the one, every eighth start, are looked up; a document is a near copy if it holds a certain
share of those looked up. Edited copies are found as far as runs of 32 tokens survived. What is looked up is bounded, so
a copy may be missed: a window with more than `MAX_OCCURRENCES` occurrences is counted for the first of them only.
"""

import struct
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

import suffix_engine

WINDOW_TOKENS = 32
STEP_TOKENS = 8
MAX_WINDOWS = 2_000
MAX_OCCURRENCES = 100

TokenIds = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class NearCopy:
    """A document, and the largest share of the looked-up windows of one of the originals that it holds."""

    number: int
    share: float


def near_copies(
    shard: suffix_engine.ShardIndex,
    originals: Sequence[TokenIds],
    min_share: float,
    pause: Callable[[], object] = lambda: None,
) -> list[NearCopy]:
    """Returns the documents of ``shard`` that are near copies of ``originals``, the largest share first.

    An original shorter than a window is looked up whole. If there are more windows than `MAX_WINDOWS`, each original
    gets an equal number of them, evenly spread over it.

    Raises:
        EngineError: the shard's files contradict one another.
    Cost: two searches a window, and a read of the table for each of its occurrences.
    """
    shares: dict[int, float] = {}
    most = max(1, MAX_WINDOWS // max(1, len(originals)))
    for original in originals[:MAX_WINDOWS]:
        windows = _windows(original, most)
        found: Counter[int] = Counter()
        for window in windows:
            found.update(_documents_with(shard, window))
            pause()
        for number, count in found.items():
            shares[number] = max(shares.get(number, 0.0), count / len(windows))
    copies = [NearCopy(number, share) for number, share in shares.items() if share >= min_share]
    return sorted(copies, key=lambda copy: (-copy.share, copy.number))


def _windows(original: TokenIds, most: int) -> list[TokenIds]:
    """Returns distinct windows of a document."""
    if not len(original):
        return []
    starts = np.arange(0, max(1, len(original) - WINDOW_TOKENS + 1), STEP_TOKENS)
    if len(starts) > most:
        starts = starts[np.linspace(0, len(starts) - 1, most).astype(np.int64)]
    windows = {original[start : start + WINDOW_TOKENS].tobytes(): None for start in starts}
    return [np.frombuffer(window, dtype=np.uint32) for window in windows]


def _documents_with(shard: suffix_engine.ShardIndex, window: TokenIds) -> set[int]:
    try:
        start, end = shard.find(window.tolist())
    except suffix_engine.InvalidQueryError:  # a token that this shard's vocabulary lacks is nowhere in it
        return set()
    positions = shard.positions(range(start, min(end, start + MAX_OCCURRENCES)))
    documents, _ = shard.locate(struct.unpack(f"<{len(positions) // 8}Q", positions))
    return set(struct.unpack(f"<{len(documents) // 8}Q", documents))
