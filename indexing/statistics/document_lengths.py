"""How long documents are, from the file of offsets alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexing.statistics.shard import DOCUMENTS_A_BLOCK, StatisticsShard
from indexing.statistics.values import Lengths

# Bins between one power of two and the next: a median of 16 is right to 1 part in 32.
_BINS_AN_OCTAVE = 16
_OCTAVES = 48


@dataclass(slots=True)
class LengthCounts:
    """Lengths of the documents of some shards, in bins."""

    num_documents: int
    total: int
    shortest: int
    longest: int
    octaves: npt.NDArray[np.int64]
    bins: npt.NDArray[np.int64]


def count_lengths(shard: StatisticsShard) -> LengthCounts:
    """Returns the lengths of a shard's documents. Reads 8 bytes a document."""
    counts = LengthCounts(0, 0, 1 << 62, 0, np.zeros(_OCTAVES + 1, np.int64), np.zeros(_num_bins(), np.int64))
    starts = shard.starts()
    for first in range(0, shard.num_documents, DOCUMENTS_A_BLOCK):
        end = min(shard.num_documents, first + DOCUMENTS_A_BLOCK)
        lengths = np.diff(shard.bounds(starts, first, end)) // shard.token_width - 1
        counts.num_documents += len(lengths)
        counts.total += int(lengths.sum())
        counts.shortest = min(counts.shortest, int(lengths.min()))
        counts.longest = max(counts.longest, int(lengths.max()))
        # frexp gives 0 for 0 and i for 2^(i-1) to below 2^i, exactly.
        counts.octaves += np.bincount(np.frexp(lengths.astype(float))[1], minlength=_OCTAVES + 1)[: _OCTAVES + 1]
        counts.bins += np.bincount(_bin_of(lengths), minlength=_num_bins())
    return counts


def lengths_of(shards: Sequence[LengthCounts]) -> Lengths:
    """Returns the lengths of all shards together."""
    num_documents = sum(counts.num_documents for counts in shards)
    octaves = np.sum([counts.octaves for counts in shards], axis=0)
    bins = np.sum([counts.bins for counts in shards], axis=0)
    median_bin = int(np.searchsorted(np.cumsum(bins), (num_documents + 1) // 2))
    return Lengths(
        shortest=min(counts.shortest for counts in shards),
        longest=max(counts.longest for counts in shards),
        mean=sum(counts.total for counts in shards) / num_documents,
        median=_middle_of(median_bin),
        histogram=tuple(np.trim_zeros(octaves, "b").tolist()),
    )


def _bin_of(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Returns the bin of each length: its own for small ones, then 16 to each power of two."""
    logarithms = np.log2(np.maximum(lengths, 1)) * _BINS_AN_OCTAVE
    return np.where(lengths == 0, 0, 1 + logarithms.astype(np.int64))


def _middle_of(number: int) -> int:
    if number == 0:
        return 0
    low, high = (2 ** ((number - 1 + side) / _BINS_AN_OCTAVE) for side in (0, 1))
    # The whole numbers that are in the bin; a bin with none is never asked for.
    return (int(np.ceil(low - 1e-9)) + int(np.ceil(high - 1e-9)) - 1) // 2


def _num_bins() -> int:
    return 2 + _OCTAVES * _BINS_AN_OCTAVE
