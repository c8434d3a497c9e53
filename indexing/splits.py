"""Cuts a corpus into splits: the parts that are tokenized on their own, in any order, on any machine.

Splits depend on the corpus alone, so every attempt at a build, with however many workers, has the same ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path

from indexing.packed_files import open_source
from indexing.sources import Corpus, Packing, SourceFile, SourceKind, SplitFile

# A split is half a minute's work or less; a small corpus has about so many, if its files can be cut.
_MOST_SPLIT_BYTES = 64 << 20
_LEAST_SPLIT_BYTES = 4 << 20
_WANTED_SPLITS = 64
# To enter a packed file in the middle means to unpack what is before. That is ten times as fast as tokenizing it, so
# it pays for a few parts, and only for a corpus that has too few files for a machine's cores.
_CUT_IF_PACKED_BYTES = 1 << 30
_PARTS_OF_PACKED = 4
_LEAST_PACKED_BYTES = 2 << 20
_BYTES_A_PACKED_BYTE = 4
_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Split:
    """Consecutive parts of a corpus, tokenized by one task. Splits in the order of their numbers are the corpus."""

    number: int
    files: tuple[SplitFile, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes on disk of its parts together."""
        return sum(part.size_bytes for part in self.files)


def splits_of(corpus: Corpus) -> tuple[Split, ...]:
    """Returns the splits of a corpus: of 64 MiB of its files, less of a small corpus, more where a file is not cut.

    Large JSON-lines files are read once here, to count lines, at the speed of the disk; packed ones of corpora over
    1 GiB, and those on storage, are not cut. Small files share a split.

    Raises:
        SourceError: a file that is cut cannot be read.
    """
    wanted_bytes = min(_MOST_SPLIT_BYTES, max(_LEAST_SPLIT_BYTES, corpus.size_bytes // _WANTED_SPLITS))
    cut_packed = corpus.size_bytes <= _CUT_IF_PACKED_BYTES
    groups: list[list[SplitFile]] = []
    filled = 0
    for file in corpus.files:
        for part in _parts_of(file, wanted_bytes, cut_packed=cut_packed):
            if not groups or filled + part.size_bytes > wanted_bytes:
                groups.append([])
                filled = 0
            groups[-1].append(part)
            filled += part.size_bytes
    return tuple(Split(number, tuple(parts)) for number, parts in enumerate(groups))


def _parts_of(file: SourceFile, wanted_bytes: int, *, cut_packed: bool) -> Iterator[SplitFile]:
    if file.kind is SourceKind.PARQUET and file.size_bytes > wanted_bytes:
        yield from _row_group_parts(file, wanted_bytes)
    elif file.kind is not SourceKind.JSON_LINES or not isinstance(file.path, Path):
        yield SplitFile.whole(file)
    elif file.packing is Packing.NONE and file.size_bytes > wanted_bytes:
        yield from _line_parts(file, wanted_bytes)
    elif file.packing is not Packing.NONE and file.size_bytes > _LEAST_PACKED_BYTES and cut_packed:
        packed_bytes = max(_LEAST_PACKED_BYTES, file.size_bytes // _PARTS_OF_PACKED)
        yield from _line_parts(file, packed_bytes * _BYTES_A_PACKED_BYTE)
    else:
        yield SplitFile.whole(file)


def _line_parts(file: SourceFile, wanted_bytes: int) -> Iterator[SplitFile]:
    """Yields ranges that end with the first line to reach a multiple of ``wanted_bytes``, unpacked."""
    starts, first_lines = [0], [0]
    lines = position = 0  # newlines and bytes before the block at hand
    with open_source(SplitFile.whole(file), lambda size: None) as stream:
        while block := stream.read(_READ_BYTES):
            searched = 0
            while (due := starts[-1] // wanted_bytes * wanted_bytes + wanted_bytes) <= position + len(block):
                newline = block.find(b"\n", max(searched, due - 1 - position))
                if newline < 0:
                    break
                lines += block.count(b"\n", searched, newline + 1)
                searched = newline + 1
                starts.append(position + searched)
                first_lines.append(lines)
            lines += block.count(b"\n", searched)
            position += len(block)
    # Parts of a packed file count for their shares of it. What would start at the end of the file is none.
    num_parts = max(1, len(starts) - (starts[-1] == position))
    bounds = [*starts[:num_parts], position]
    shares = [file.size_bytes * bound // max(1, position) for bound in bounds]
    shares[-1] = file.size_bytes
    for number in range(num_parts):
        end = bounds[number + 1] if number + 1 < num_parts else None
        yield SplitFile(file, bounds[number], end, first_lines[number], shares[number + 1] - shares[number])


def _row_group_parts(file: SourceFile, wanted_bytes: int) -> Iterator[SplitFile]:
    """Yields ranges of row groups, taken to be equal shares of the file."""
    from indexing.read_parquet import row_groups  # Arrow takes a quarter of a second and 40 MB to load

    rows = row_groups(file)
    if not rows:
        yield SplitFile.whole(file)
        return
    first_rows = list(accumulate(rows, initial=0))
    num_parts = min(len(rows), -(-file.size_bytes // wanted_bytes))
    bounds = [len(rows) * number // num_parts for number in range(num_parts + 1)]
    for start, end in pairwise(bounds):
        size_bytes = file.size_bytes * end // len(rows) - file.size_bytes * start // len(rows)
        yield SplitFile(file, start, end, first_rows[start], size_bytes)
