"""Cuts a corpus into splits: the parts that are tokenized on their own, in any order, on any machine.

Splits depend on the corpus alone, so every attempt at a build, with however many workers, has the same ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise

from indexing.errors import SourceError
from indexing.sources import Corpus, Packing, SourceFile, SourceKind, SplitFile

# A split is half a minute's work or less; a small corpus has at least so many, if its files can be cut.
_MOST_SPLIT_BYTES = 64 << 20
_LEAST_SPLIT_BYTES = 4 << 20
_WANTED_SPLITS = 64
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
    """Returns the splits of a corpus: of 64 MiB of its files, less of a small corpus, more where a file cannot be cut.

    Large JSON-lines files that are not packed are read once here, to count lines, at the speed of the disk. Packed
    files and plain text are not cut, small files share a split.

    Raises:
        SourceError: a file that is cut cannot be read.
    """
    wanted_bytes = min(_MOST_SPLIT_BYTES, max(_LEAST_SPLIT_BYTES, corpus.size_bytes // _WANTED_SPLITS))
    groups: list[list[SplitFile]] = []
    filled = 0
    for file in corpus.files:
        for part in _parts_of(file, wanted_bytes):
            if not groups or filled + part.size_bytes > wanted_bytes:
                groups.append([])
                filled = 0
            groups[-1].append(part)
            filled += part.size_bytes
    return tuple(Split(number, tuple(parts)) for number, parts in enumerate(groups))


def _parts_of(file: SourceFile, wanted_bytes: int) -> Iterator[SplitFile]:
    if file.size_bytes > wanted_bytes:
        if file.kind is SourceKind.JSON_LINES and file.packing is Packing.NONE:
            yield from _line_parts(file, wanted_bytes)
            return
        if file.kind is SourceKind.PARQUET:
            yield from _row_group_parts(file, wanted_bytes)
            return
    yield SplitFile.whole(file)


def _line_parts(file: SourceFile, wanted_bytes: int) -> Iterator[SplitFile]:
    """Yields ranges that end with the first line to reach a multiple of ``wanted_bytes``."""
    start = first_line = 0
    lines = 0  # newlines before the block at hand
    position = 0
    try:
        with file.path.open("rb", buffering=0) as stream:
            while block := stream.read(_READ_BYTES):
                searched = 0
                while (due := start // wanted_bytes * wanted_bytes + wanted_bytes) <= position + len(block):
                    newline = block.find(b"\n", max(searched, due - 1 - position))
                    if newline < 0:
                        break
                    lines += block.count(b"\n", searched, newline + 1)
                    searched = newline + 1
                    yield SplitFile(file, start, position + searched, first_line, position + searched - start)
                    start, first_line = position + searched, lines
                lines += block.count(b"\n", searched)
                position += len(block)
    except OSError as error:
        raise SourceError(f"{file.path}: cannot read the file ({error.strerror or error})") from error
    if start < position:
        yield SplitFile(file, start, None, first_line, position - start)


def _row_group_parts(file: SourceFile, wanted_bytes: int) -> Iterator[SplitFile]:
    """Yields ranges of row groups, taken to be equal shares of the file."""
    from indexing.read_parquet import row_groups  # Arrow takes a quarter of a second and 60 MB to load

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
