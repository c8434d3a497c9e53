"""How much of a shard's text repeats, from the LCPs in its fan-out (docs/index-format.md)."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from index_format.layout import FAN_OUT, TABLE
from indexing.statistics.shard import StatisticsShard
from indexing.statistics.values import Repeats, RepeatShare

SATURATED = 255
REPEAT_LENGTHS = (8, 16, 50, 100, SATURATED)
_PAGE_BYTES = 4096
_PAGE_CONTENT_BYTES = 4092
# Pages that are looked at together, and that a sample takes or leaves together: 1 MiB of the fan-out.
_PAGES_A_BLOCK = 256


@dataclass(slots=True)
class RepeatCounts:
    """LCPs, and the longest repeats that begin at each token, counted by their length up to 255."""

    lcps: npt.NDArray[np.int64]
    begins: npt.NDArray[np.int64]


def ranks_per_page(token_width: int) -> int:
    """Returns how many ranks a page of the fan-out holds."""
    return _PAGE_CONTENT_BYTES // (1 + token_width) // 2 * 2


def count_repeats(
    shard: StatisticsShard, share: float, seed: int, advanced: Callable[[int], None]
) -> RepeatCounts | None:
    """Returns the counts of a shard, or of a share of it; None if it has no sidecars.

    Reads the fan-out, and the table where an LCP is 255. ``advanced`` is told ranks. Memory: about 40 MB, and the
    offsets as far as they are in the page cache.
    """
    if not shard.is_accelerated:
        return None
    counts = RepeatCounts(np.zeros(SATURATED + 1, np.int64), np.zeros(SATURATED + 1, np.int64))
    block = ranks_per_page(shard.token_width) * _PAGES_A_BLOCK
    starts = shard.starts()
    for number in chosen_blocks(math.ceil(shard.num_tokens / block), share, f"{seed} ranks {shard.number}"):
        first, end = number * block, min(shard.num_tokens, (number + 1) * block)
        # One more: a token's longest repeat is with the suffix before it or with the one after it.
        lcps = _lcps(shard, starts, first, min(shard.num_tokens, end + 1))
        after = np.zeros(end - first, np.uint8)
        after[: len(lcps) - 1] = lcps[1:]
        lcps = lcps[: end - first]
        counts.lcps += np.bincount(lcps, minlength=SATURATED + 1)
        counts.begins += np.bincount(np.maximum(lcps, after), minlength=SATURATED + 1)
        advanced(end - first)
    return counts


def repeats_of(shards: Sequence[RepeatCounts]) -> Repeats:
    """Returns the repeats of all shards together."""
    lcps = np.sum([counts.lcps for counts in shards], axis=0)
    begins = np.sum([counts.begins for counts in shards], axis=0)
    total = int(begins.sum())
    at_least = np.cumsum(begins[::-1])[::-1]
    return Repeats(
        ranks_looked_at=total,
        lcp_histogram=tuple(lcps.tolist()),
        begins_histogram=tuple(begins.tolist()),
        shares=tuple(RepeatShare(length, int(at_least[length]) / max(1, total)) for length in REPEAT_LENGTHS),
    )


def chosen_blocks(num_blocks: int, share: float, seed: str) -> list[int]:
    """Returns the blocks that a sample looks at, ascending: at least one, and all for a share of 1."""
    if share >= 1:
        return list(range(num_blocks))
    generator = random.Random(seed)  # noqa: S311 - a reproducible draw, not a secret
    return sorted(generator.sample(range(num_blocks), min(num_blocks, max(1, round(num_blocks * share)))))


def _lcps(shard: StatisticsShard, starts: npt.NDArray[np.uint64], first: int, end: int) -> npt.NDArray[np.uint8]:
    """Returns the LCPs of ranks ``first`` to ``end``, ``first`` being the first of a page."""
    per_page = ranks_per_page(shard.token_width)
    first_page, end_page = first // per_page, math.ceil(end / per_page)
    with (shard.folder / FAN_OUT).open("rb", buffering=0) as file:
        file.seek((1 + first_page) * _PAGE_BYTES)
        content = np.frombuffer(file.read((end_page - first_page) * _PAGE_BYTES), np.uint8)
    pages = content.reshape(end_page - first_page, _PAGE_BYTES)
    at = per_page * shard.token_width
    lcps = pages[:, at : at + per_page].reshape(-1)[: end - first].copy()
    saturated = np.flatnonzero(lcps == SATURATED)
    if len(saturated):
        # 255 also stands for suffixes that are equal up to a separator: then they share what is left of the document.
        lcps[saturated] = np.minimum(SATURATED, _tokens_left(shard, starts, first, saturated))
    return lcps


def _tokens_left(
    shard: StatisticsShard, starts: npt.NDArray[np.uint64], first: int, ranks: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Returns how many tokens there are from the suffix at each rank, counted from ``first``, to its document's end."""
    width = shard.pointer_width
    with (shard.folder / TABLE).open("rb", buffering=0) as file:
        file.seek((first + int(ranks[0])) * width)
        entries = np.frombuffer(file.read((int(ranks[-1] - ranks[0]) + 1) * width), np.uint8).reshape(-1, width)
    padded = np.zeros((len(ranks), 8), np.uint8)
    padded[:, :width] = entries[ranks - ranks[0]]
    offsets = padded.view("<u8").reshape(-1)
    documents = np.searchsorted(starts, offsets, side="right")
    is_separator = starts[documents - 1] == offsets
    ends = np.where(documents < len(starts), starts[np.minimum(documents, len(starts) - 1)], shard.text_bytes)
    left = (ends - offsets).astype(np.int64) // shard.token_width
    return np.where(is_separator, 0, left)
