"""A shard of tiny documents, and what its statistics must be, by looking at everything."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from indexing.statistics.shard import StatisticsShard
from suffix_engine import accelerate_shard
from tests.tiny_index import write_shard

Document = Sequence[int]


def write(folder: Path, documents: Sequence[Document], width: int, number: int = 0) -> StatisticsShard:
    """Writes a shard with sidecars."""
    write_shard(folder, documents, width, [{"path": "a", "linenum": line} for line in range(len(documents))])
    accelerate_shard(folder, token_width=width, num_threads=1)
    num_tokens = sum(map(len, documents)) + len(documents)
    return StatisticsShard(folder, number, width, num_tokens, len(documents), is_accelerated=True)


def repeats_that_begin(documents: Sequence[Document], longest: int) -> Counter[int]:
    """Returns at how many positions the longest repeat has each length, up to ``longest``; separators begin none."""
    suffixes = sorted(
        tuple(document[start : start + longest]) for document in documents for start in range(len(document))
    )
    shared = [0, *(shared_tokens(one, other) for one, other in pairwise(suffixes)), 0]
    found = Counter(max(before, after) for before, after in pairwise(shared))
    found[0] += len(documents)
    return +found


def shared_tokens(one: Document, other: Document) -> int:
    """Returns the length of the longest common prefix."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
