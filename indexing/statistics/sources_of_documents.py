"""Documents and tokens by a field of their metadata."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pydantic_core

from index_format.layout import METADATA, METAOFF
from indexing.statistics.repeats import chosen_blocks
from indexing.statistics.shard import StatisticsShard
from indexing.statistics.values import Source, Sources

DEFAULT_FIELD = "path"
# Values that are told apart in a shard: about 20 MB.
_MOST_VALUES = 100_000
_MOST_CHARACTERS = 200
_LARGEST = 50
_DOCUMENTS_A_BLOCK = 512
_NO_VALUE = "(none)"
_UNREADABLE = "(unreadable)"


@dataclass(slots=True)
class SourceCounts:
    """Documents and tokens of a shard by value, and of values past the most that are told apart."""

    documents_looked_at: int = 0
    by_value: dict[str, list[int]] = field(default_factory=dict)
    others: list[int] = field(default_factory=lambda: [0, 0])


def count_sources(shard: StatisticsShard, name: str, share: float, seed: int) -> SourceCounts | None:
    """Returns the counts of a shard, or of a share of its documents; None if it has no metadata.

    Memory: 100,000 values, and one line.
    """
    if not (shard.folder / METADATA).exists():
        return None
    counts = SourceCounts()
    starts = shard.starts()
    line_starts = np.memmap(shard.folder / METAOFF, dtype="<u8", mode="r", shape=(shard.num_documents,))
    with (shard.folder / METADATA).open("rb") as file:
        num_blocks = math.ceil(shard.num_documents / _DOCUMENTS_A_BLOCK)
        for block in chosen_blocks(num_blocks, share, f"{seed} documents {shard.number}"):
            first = block * _DOCUMENTS_A_BLOCK
            end = min(shard.num_documents, first + _DOCUMENTS_A_BLOCK)
            lengths = np.diff(shard.bounds(starts, first, end)) // shard.token_width - 1
            file.seek(int(line_starts[first]))
            for num_tokens in lengths.tolist():
                _count(counts, value_of(file.readline(), name), num_tokens)
            counts.documents_looked_at += end - first
    return counts


def sources_of(shards: Sequence[SourceCounts], name: str) -> Sources:
    """Returns the sources of all shards together."""
    together = SourceCounts()
    others = together.others
    for counts in shards:
        for value, (documents, tokens) in counts.by_value.items():
            _add(together, value, documents, tokens)
        others[0] += counts.others[0]
        others[1] += counts.others[1]
    rows = [Source(value, documents, tokens) for value, (documents, tokens) in together.by_value.items()]
    rows.sort(key=lambda row: (-row.num_tokens, row.value))
    is_cut_off = others[0] > 0
    rest = rows[_LARGEST:]
    return Sources(
        field=name,
        documents_looked_at=sum(counts.documents_looked_at for counts in shards),
        num_values=len(rows),
        is_cut_off=is_cut_off,
        largest=tuple(rows[:_LARGEST]),
        others=Source(
            "others",
            others[0] + sum(row.num_documents for row in rest),
            others[1] + sum(row.num_tokens for row in rest),
        ),
    )


def value_of(line: bytes, name: str) -> str:
    """Returns a field of a metadata line as text: of what the document had, else of what the build added."""
    try:
        fields = pydantic_core.from_json(line)
    except ValueError:
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError):
            return _UNREADABLE
    if not isinstance(fields, dict):
        return _UNREADABLE
    inner = fields.get("metadata")
    # The default is the file of the corpus, which the build added: the document's own path is another matter.
    layers = [fields, inner] if name == DEFAULT_FIELD else [inner, fields]
    for layer in layers:
        if isinstance(layer, dict) and layer.get(name) is not None:
            value = layer[name]
            return (value if isinstance(value, str) else json.dumps(value))[:_MOST_CHARACTERS]
    return _NO_VALUE


def _count(counts: SourceCounts, value: str, num_tokens: int) -> None:
    _add(counts, value, 1, num_tokens)


def _add(counts: SourceCounts, value: str, documents: int, tokens: int) -> None:
    sums = counts.by_value.get(value)
    if sums is None:
        if len(counts.by_value) >= _MOST_VALUES:
            sums = counts.others
        else:
            sums = counts.by_value[value] = [0, 0]
    sums[0] += documents
    sums[1] += tokens
