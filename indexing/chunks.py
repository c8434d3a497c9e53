"""A chunk: the documents of one split, tokenized, in a folder of their own.

    text         a separator and the tokens of each document, in the width of the index
    starts       byte offset in ``text`` of each separator, u64
    lines        the metadata line of each document
    line_starts  byte offset in ``lines`` of each, u64
    chunk.json   what it holds; written last, so a chunk without it is unfinished

The documents lie in the order in which shards want them: document j of the split, of those that are kept, is in group
j % num_shards, and groups follow one another. A shard takes one group of each chunk, a single range of each file.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from index_format.manifest import flush_directory, write_durably

TEXT = "text"
STARTS = "starts"
LINES = "lines"
LINE_STARTS = "line_starts"
_MANIFEST = "chunk.json"
_OFFSET_BYTES = 8


@dataclass(frozen=True, slots=True)
class SourceCounts:
    """What a split, or a corpus, has of one source file. ``num_tokens`` counts separators too, as manifests do."""

    name: str
    num_documents: int
    num_tokens: int
    text_bytes: int
    skipped_empty: int
    skipped_bad: int


class SummedSources:
    """The sums over the sources of what has ``sources``: a chunk, or a corpus."""

    __slots__ = ()
    sources: tuple[SourceCounts, ...]

    @property
    def text_bytes(self) -> int:
        """Bytes of UTF-8 text of the documents kept."""
        return sum(source.text_bytes for source in self.sources)

    @property
    def skipped_empty(self) -> int:
        """Documents left out as they have no token."""
        return sum(source.skipped_empty for source in self.sources)

    @property
    def skipped_bad(self) -> int:
        """Lines and rows left out as they hold no document."""
        return sum(source.skipped_bad for source in self.sources)


@dataclass(frozen=True, slots=True)
class Chunk(SummedSources):
    """What a finished chunk holds.

    Attributes:
        num_shards: Number of groups that the documents lie in.
        num_documents: Documents kept.
        num_tokens: Their tokens, and one separator each.
        token_width: Bytes a token.
        line_bytes: Bytes of all metadata lines.
        bad_examples: The first messages about bad lines that were left out.
        sources: One entry a source file, in reading order.
    """

    num_shards: int
    num_documents: int
    num_tokens: int
    token_width: int
    line_bytes: int
    bad_examples: tuple[str, ...]
    sources: tuple[SourceCounts, ...]

    @classmethod
    def load(cls, folder: Path) -> "Chunk | None":
        """Returns what the chunk in ``folder`` holds, or None if it is unfinished, or a file has another size."""
        try:
            raw = json.loads((folder / _MANIFEST).read_bytes())
        except FileNotFoundError:
            return None
        raw["sources"] = tuple(SourceCounts(**source) for source in raw["sources"])
        raw["bad_examples"] = tuple(raw["bad_examples"])
        chunk = cls(**raw)
        return chunk if chunk._is_whole(folder) else None

    def finish(self, folder: Path) -> None:
        """Marks the chunk in ``folder``, whose files are flushed to disk, as finished."""
        flush_directory(folder)
        write_durably(folder / _MANIFEST, json.dumps(asdict(self)).encode())

    def group(self, number: int) -> range:
        """Returns where the documents of a group are in the order of the chunk."""
        return range(self._before(number), self._before(number + 1))

    def _before(self, group: int) -> int:
        """Returns the number of documents in the groups before one."""
        each, more = divmod(self.num_documents, self.num_shards)
        return each * group + min(group, more)

    def _is_whole(self, folder: Path) -> bool:
        sizes = {
            TEXT: self.num_tokens * self.token_width,
            STARTS: self.num_documents * _OFFSET_BYTES,
            LINES: self.line_bytes,
            LINE_STARTS: self.num_documents * _OFFSET_BYTES,
        }
        try:
            return all((folder / name).stat().st_size == size for name, size in sizes.items())
        except FileNotFoundError:
            return False


def sum_of_sources(chunks: Sequence[Chunk]) -> tuple[SourceCounts, ...]:
    """Returns one entry a source file over all chunks, in reading order."""
    totals: dict[str, SourceCounts] = {}
    for chunk in chunks:
        for one in chunk.sources:
            before = totals.get(one.name)
            totals[one.name] = one if before is None else _sum(before, one)
    return tuple(totals.values())


def _sum(one: SourceCounts, other: SourceCounts) -> SourceCounts:
    return SourceCounts(
        one.name,
        one.num_documents + other.num_documents,
        one.num_tokens + other.num_tokens,
        one.text_bytes + other.text_bytes,
        one.skipped_empty + other.skipped_empty,
        one.skipped_bad + other.skipped_bad,
    )
