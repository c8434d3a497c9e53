"""The disk that a build needs, file by file, at its fullest and at its end."""

import math
import shutil
from dataclasses import dataclass
from pathlib import Path

from indexing.errors import DiskFullError
from suffix_engine import fan_out_bytes

# A page of 4,096 bytes of the fan-out takes at most 150 bytes of the directory.
_DIRECTORY_SHARE = 25
_BYTES_OF_STARTS = 2 * 8


@dataclass(frozen=True, slots=True)
class DiskNeeds:
    """Bytes on disk by what takes them.

    Attributes:
        chunk_bytes: The tokenized corpus before it is assembled; temporary.
        core_bytes: Text, document starts and metadata of all shards.
        run_bytes: Sorted parts of the shards that are sorted at a time; temporary.
        table_bytes: Tables and sidecars of all shards.
    """

    chunk_bytes: int
    core_bytes: int
    run_bytes: int
    table_bytes: int

    @classmethod
    def of(
        cls,
        num_tokens: int,
        token_width: int,
        num_documents: int,
        line_bytes: int,
        *,
        num_shards: int,
        run_bytes: int,
        accelerate: bool,
    ) -> "DiskNeeds":
        """Returns what a corpus of this size needs."""
        core_bytes = num_tokens * token_width + num_documents * _BYTES_OF_STARTS + line_bytes
        in_shard = math.ceil(num_tokens / num_shards)
        shard_bytes = table_bytes(in_shard, token_width) + (sidecar_bytes(in_shard, token_width) if accelerate else 0)
        return cls(core_bytes, core_bytes, run_bytes, shard_bytes * num_shards)

    @property
    def index_bytes(self) -> int:
        """The finished index."""
        return self.core_bytes + self.table_bytes

    @property
    def temporary_bytes(self) -> int:
        """The most that temporary files take at a time: chunks are gone before a shard is sorted."""
        return max(self.chunk_bytes, self.run_bytes)

    @property
    def peak_without_chunks(self) -> int:
        """The most at a time, where chunks are on another disk."""
        return self.index_bytes + self.run_bytes

    @property
    def peak_bytes(self) -> int:
        """The most at a time."""
        return max(self.chunk_bytes + self.core_bytes, self.peak_without_chunks)

    def describe(self) -> str:
        """Returns it for people."""
        return (
            f"needs {format_bytes(self.peak_bytes)} of disk at its fullest, {format_bytes(self.temporary_bytes)} for "
            f"temporary files; the index takes {format_bytes(self.index_bytes)}"
        )


def table_bytes(num_tokens: int, token_width: int) -> int:
    """Returns the size of the suffix array of a shard: as few bytes an entry as hold every offset of its text."""
    text_bytes = num_tokens * token_width
    return num_tokens * max(1, math.ceil(math.log2(max(2, text_bytes)) / 8))


def sidecar_bytes(num_tokens: int, token_width: int) -> int:
    """Returns the most disk that the two sidecars of a shard take."""
    size = fan_out_bytes(num_tokens, token_width)
    return size + size // _DIRECTORY_SHARE


def tree_bytes(path: Path) -> int:
    """Returns the bytes of all files below a folder, which need not exist."""
    size_bytes = 0
    for file in path.rglob("*"):
        try:
            size_bytes += file.stat().st_size
        except FileNotFoundError:
            continue  # removed meanwhile
    return size_bytes


def check_disk(directory: Path, needed_bytes: int, *, estimated: bool) -> None:
    """Checks that the disk that holds, or will hold, ``directory`` has room for ``needed_bytes`` more.

    Raises:
        DiskFullError: it has not.
    """
    free = shutil.disk_usage(_existing(directory)).free
    if needed_bytes > free:
        kind = "probably at least " if estimated else ""
        raise DiskFullError(
            f"{directory}: the index needs {kind}{format_bytes(needed_bytes)} of disk, {format_bytes(free)} are free; "
            "free some, or choose another disk with --out"
        )


def on_one_disk(one: Path, other: Path) -> bool:
    """Says whether two folders, which need not exist, are or will be on the same file system."""
    return _existing(one).stat().st_dev == _existing(other).stat().st_dev


def _existing(directory: Path) -> Path:
    """Returns the folder itself, or the nearest above it that exists."""
    existing = directory.absolute()
    while not existing.exists():
        existing = existing.parent
    return existing


def format_bytes(size: int) -> str:
    """Returns a size for people: three digits and a binary unit."""
    amount = float(size)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if amount < 1000:
            return f"{size} bytes" if unit == "bytes" else f"{amount:.3g} {unit}"
        amount /= 1024
    return f"{amount:,.3g} TiB"
