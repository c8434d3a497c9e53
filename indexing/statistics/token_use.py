"""Which tokens occur and how often, from the unigram counts of the shards."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from index_format.layout import UNIGRAM
from index_format.vocabulary import Vocabulary
from indexing.statistics.shard import StatisticsShard
from indexing.statistics.values import FrequentToken, TokenUse

_MOST_FREQUENT = 50
_EXAMPLES = 20


def token_use(shards: Sequence[StatisticsShard], vocabulary: Vocabulary) -> TokenUse | None:
    """Returns the use of the vocabulary in all shards; None if a shard has no unigram counts."""
    counts = np.zeros(vocabulary.size, np.int64)
    for shard in shards:
        path = shard.folder / UNIGRAM
        if not path.exists():
            return None
        with path.open("rb") as file:
            _add(counts, file)
    lengths = np.fromiter(map(len, vocabulary.pieces), np.int64, vocabulary.size)
    # An id with no bytes is a hole in the vocabulary, or stands for none of the text.
    is_entry = lengths > 0
    order = np.argsort(-counts, kind="stable")[:_MOST_FREQUENT]
    unused = np.flatnonzero(is_entry & (counts == 0))
    return TokenUse(
        text_bytes=int(counts @ lengths),
        num_entries=int(is_entry.sum()),
        num_unused=len(unused),
        most_frequent=_described((int(token_id) for token_id in order if counts[token_id]), counts, vocabulary),
        unused_examples=_described(unused[:_EXAMPLES].tolist(), counts, vocabulary),
    )


def _add(counts: npt.NDArray[np.int64], lines: Iterable[bytes]) -> None:
    """Adds the counts of a shard; ids outside the vocabulary, the separator among them, are passed over."""
    for number, line in enumerate(lines):
        match [int(field) for field in line.split()]:
            case [token_id, count]:
                pass
            case [count]:  # the oldest indexes: the token id is the number of the line
                token_id = number
            case _:
                continue
        if token_id < len(counts):
            counts[token_id] += count


def _described(
    token_ids: Iterable[int], counts: npt.NDArray[np.int64], vocabulary: Vocabulary
) -> tuple[FrequentToken, ...]:
    return tuple(
        FrequentToken(token_id, vocabulary.pieces[token_id].decode(errors="replace"), int(counts[token_id]))
        for token_id in token_ids
    )
