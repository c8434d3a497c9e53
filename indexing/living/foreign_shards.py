"""The shards in folders that infini-gram's indexer wrote: where their files are, and whether they can be shards."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from index_format.errors import IndexNotFoundError
from index_format.layout import METADATA, METAOFF, OFFSET, SHARD_MANIFEST, TABLE, TOKENIZED, numbered
from indexing.errors import ForeignShardError
from indexing.shard_files import width_of

_OFFSET = np.dtype("<u8")
_BLOCK_OFFSETS = 1 << 17
# Of each shard; the whole text is read by 'headwater index verify' only.
_LOOKED_AT = 4096
_STEM = TOKENIZED.removesuffix(".0")


@dataclass(frozen=True, slots=True)
class ForeignShard:
    """A shard of somebody else: its folder, and the number in the names of its files, None where they have none."""

    folder: Path
    number: int | None
    token_width: int

    def path(self, name: str) -> Path:
        """Returns where the file is that shard 0 of a numbered folder calls ``name``."""
        return self.folder / (name.removesuffix(".0") if self.number is None else numbered(name, self.number))


def find_foreign_shards(folders: Sequence[Path], token_width: int | None) -> list[ForeignShard]:
    """Returns the shards in ``folders`` and in the folders inside them: by folder as given, by name, by number.

    Raises:
        IndexNotFoundError: a folder has none, or has an index of ours.
        PlanError: the width of a token cannot be told, or is not ``token_width``.
        ForeignShardError: the shards have tokens of different widths.
    """
    found = [shard for folder in folders for shard in _shards_below(folder, token_width)]
    if len(widths := {shard.token_width for shard in found}) > 1:
        first, other = found[0], next(shard for shard in found if shard.token_width != found[0].token_width)
        raise ForeignShardError(
            f"{other.path(TOKENIZED)}: tokens of {other.token_width} bytes, those of {first.path(TOKENIZED)} have "
            f"{first.token_width}; shards of one index have one width, import these {len(widths)} kinds apart"
        )
    return found


def _shards_below(folder: Path, token_width: int | None) -> list[ForeignShard]:
    if not folder.is_dir():
        raise IndexNotFoundError(f"{folder}: no such directory, expected an index of infini-gram's")
    inside = [folder, *sorted(entry for entry in folder.iterdir() if entry.is_dir())]
    if any((one / SHARD_MANIFEST).exists() for one in inside):
        raise IndexNotFoundError(
            f"{folder}: holds {SHARD_MANIFEST}, so it is an index of ours; 'headwater index merge-shards' takes those"
        )
    names = [(one, number) for one in inside for number in _numbers_in(one)]
    if not names:
        raise IndexNotFoundError(f"{folder}: neither {TOKENIZED} nor {_STEM} found, expected an index of infini-gram's")
    unknown = (ForeignShard(one, number, 0) for one, number in names)
    return [
        ForeignShard(shard.folder, shard.number, width_of(shard.path(TOKENIZED), shard.path(TABLE), token_width))
        for shard in unknown
    ]


def _numbers_in(folder: Path) -> list[int | None]:
    """Returns the numbers of the texts in a folder, ascending; None stands for one without a number."""
    suffixes = (path.name.removeprefix(f"{_STEM}.") for path in folder.glob(f"{_STEM}.*"))
    numbers: list[int | None] = [None] if (folder / _STEM).is_file() else []
    return [
        *numbers,
        *sorted(int(one) for one in suffixes if one.isascii() and one.isdecimal() and str(int(one)) == one),
    ]


def check_foreign_shard(shard: ForeignShard) -> int:
    """Checks what can be seen without reading text and table, and returns the number of documents.

    That every document starts behind the last, at a separator, within the text; that metadata has a line a document.
    Separators and lines are looked at for some thousand documents, evenly spread.

    Raises:
        ForeignShardError: it is not so; names the file and what was found there.
    Cost: reads the two files of offsets.
    """
    text, starts = shard.path(TOKENIZED), shard.path(OFFSET)
    num_documents = _check_starts(starts, text, shard.token_width)
    separator = b"\xff" * shard.token_width
    for number, start, found in _looked_at(starts, text, 0, shard.token_width, num_documents):
        if found != separator:
            raise ForeignShardError(
                f"{text}: document {number} should start at byte {start} with the separator 0x{separator.hex()}, found "
                f"0x{found.hex()}; is {starts.name} of this text, and --token-width right?"
            )
    lines, line_starts = shard.path(METADATA), shard.path(METAOFF)
    if lines.exists() != line_starts.exists():
        there, missing = (lines, line_starts) if lines.exists() else (line_starts, lines)
        raise ForeignShardError(f"{missing}: not found, though {there.name} is there; they come together or not at all")
    if lines.exists():
        if (num_lines := _check_starts(line_starts, lines, 1)) != num_documents:
            raise ForeignShardError(
                f"{line_starts}: {num_lines} lines of metadata, the shard has {num_documents} documents"
            )
        for number, start, found in _looked_at(line_starts, lines, -1, 1, num_documents):
            if start and found != b"\n":
                raise ForeignShardError(
                    f"{lines}: the line of document {number} should start at byte {start}, it does not"
                )
    return num_documents


def _check_starts(starts: Path, described: Path, step: int) -> int:
    """Checks that ``starts`` ascend from 0 by multiples of ``step`` within the file they describe; returns how many."""
    try:
        size_bytes, end = starts.stat().st_size, described.stat().st_size
    except FileNotFoundError as error:
        raise ForeignShardError(f"{error.filename}: not found, {described.name} cannot be used without it") from error
    if size_bytes == 0 or size_bytes % _OFFSET.itemsize:
        raise ForeignShardError(f"{starts}: {size_bytes} bytes, expected 8 a document, and a document at least")
    last, first = -1, 0
    for block in _blocks(starts):
        numbers = block.astype(np.int64)
        bad = np.flatnonzero((np.diff(numbers, prepend=last) <= 0) | (numbers >= end) | (numbers % step != 0))
        if len(bad) or (first == 0 and numbers[0] != 0):
            number = first + (int(bad[0]) if len(bad) else 0)
            raise ForeignShardError(
                f"{starts}: document {number} starts at byte {block[number - first]} of {described.name}; "
                f"expected starts that ascend from 0 in steps of {step} to less than {end}"
            )
        last, first = int(numbers[-1]), first + len(numbers)
    return first


def _blocks(path: Path) -> Iterator[npt.NDArray[np.uint64]]:
    with path.open("rb", buffering=0) as file:
        while len(block := np.fromfile(file, _OFFSET, _BLOCK_OFFSETS)):
            yield block


def _looked_at(
    starts: Path, described: Path, before: int, size: int, num_documents: int
) -> Iterator[tuple[int, int, bytes]]:
    """Yields number and start of some documents, and the ``size`` bytes from ``before`` on relative to there."""
    numbers = np.unique(np.linspace(0, num_documents - 1, min(_LOOKED_AT, num_documents)).astype(np.int64))
    with starts.open("rb") as offsets, described.open("rb") as file:
        for number in numbers.tolist():
            offsets.seek(number * _OFFSET.itemsize)
            start = int.from_bytes(offsets.read(_OFFSET.itemsize), "little")
            file.seek(max(0, start + before))
            yield number, start, file.read(size)
