"""How alike the suffixes of a text are, each to the one before it in the table: read off the fan-out."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from index_format.layout import FAN_OUT, TOKENIZED

# docs/index-format.md
_PAGE_BYTES = 4096
_CHECKSUM_BYTES = 4
_SATURATED = 255
_PAGES_AT_ONCE = 4096

Counts = npt.NDArray[np.int64]


def lcp_counts(folder: Path, width: int) -> Counts:
    """Returns how many suffixes share 0, 1, ... 255 tokens with the one before, from the fan-out.

    255 stands for all longer ones, and for suffixes that are equal to the end of their documents.
    """
    num_tokens = (folder / TOKENIZED).stat().st_size // width
    ranks = (_PAGE_BYTES - _CHECKSUM_BYTES) // (1 + width) // 2 * 2
    counts = np.zeros(_SATURATED + 1, dtype=np.int64)
    with (folder / FAN_OUT).open("rb") as file:
        file.seek(_PAGE_BYTES)
        while (pages := np.fromfile(file, dtype=np.uint8, count=_PAGES_AT_ONCE * _PAGE_BYTES)).size:
            lcps = pages.reshape(-1, _PAGE_BYTES)[:, ranks * width : ranks * (1 + width)].ravel()
            counts += np.bincount(lcps[:num_tokens], minlength=_SATURATED + 1)
            num_tokens -= len(lcps[:num_tokens])
    return counts


def mean_lcp(counts: Counts) -> float:
    """Returns the mean of those below 255: the few at 255 have no length that is known."""
    return float(np.average(np.arange(_SATURATED), weights=counts[:_SATURATED]))


def share_of(counts: Counts, at_least: int) -> float:
    """Returns the share of suffixes that have ``at_least`` so many tokens in common with the one before."""
    return float(counts[at_least:].sum() / counts.sum())
