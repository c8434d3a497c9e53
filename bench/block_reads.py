"""What a disk was asked for, counted at the block layer: by the disk, and by the kernel for this process alone."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bench.errors import BenchError

_DEVICES = Path("/sys/dev/block")
_PROCESS = Path("/proc/self/io")
# The unit of the counters, whatever the disk's own sectors are.
_SECTOR_BYTES = 512


@dataclass(frozen=True, slots=True)
class BlockReads:
    """Reads that a disk completed, and their bytes."""

    reads: int
    size_bytes: int

    def __sub__(self, earlier: Self) -> "BlockReads":
        return BlockReads(self.reads - earlier.reads, self.size_bytes - earlier.size_bytes)


def own_read_bytes() -> int:
    """Returns the bytes that this process had read from any disk since it started."""
    counters = dict(line.split(": ") for line in _PROCESS.read_text().splitlines())
    return int(counters["read_bytes"])


class Disk:
    """The disk (or partition) that holds a file. Its counters include what other processes read from it."""

    def __init__(self, path: Path) -> None:
        """Finds the disk of ``path``.

        Raises:
            BenchError: the file system is not on one block device, as tmpfs, overlayfs and btrfs are not.
        """
        device = path.stat().st_dev
        self._folder = _DEVICES / f"{os.major(device)}:{os.minor(device)}"
        if not (self._folder / "stat").exists():
            raise BenchError(f"{path}: not on one block device, so its reads cannot be counted; put it on a plain disk")
        self.name = self._folder.resolve().name

    def counted(self) -> BlockReads:
        """Returns what was read since the machine started."""
        fields = (self._folder / "stat").read_text().split()
        return BlockReads(reads=int(fields[0]), size_bytes=int(fields[2]) * _SECTOR_BYTES)

    def setting(self, name: str) -> str:
        """Returns a setting of the disk's queue, as ``scheduler`` or ``read_ahead_kb``; empty if there is none."""
        for folder in (self._folder, self._folder.resolve().parent):
            path = folder / "queue" / name
            if path.exists():
                return path.read_text().strip()
        return ""
