"""Makes the files of an index cold: out of this process's memory and out of the page cache."""

import ctypes
import mmap
import os
from pathlib import Path

import numpy as np

from bench.errors import BenchError

_DROP_CACHES = Path("/proc/sys/vm/drop_caches")
_MAPPINGS = Path("/proc/self/maps")
# A few pages of a file may be read again before they are counted, by whoever else is at work on the machine.
_MOST_RESIDENT_SHARE = 0.001

_libc = ctypes.CDLL(None, use_errno=True)


def require_cold_cache() -> None:
    """Checks that this process may drop the page cache.

    Raises:
        BenchError: it may not; the message says how it could.
    """
    if not os.access(_DROP_CACHES, os.W_OK):
        raise BenchError(f"{_DROP_CACHES}: cannot be written, so no request can be made cold; run as root")


def make_cold(directory: Path) -> None:
    """Drops every page of the files below ``directory``, also those mapped into this process, and checks that.

    The kernel does not drop pages that a process has mapped, so these are let go first: whatever engine mapped them
    will fault them in again. What an engine copied into memory of its own stays there, as it does in production.

    Raises:
        BenchError: more than a thousandth of the pages stayed, as another process has the files mapped.
    """
    _release_mappings(directory)
    os.sync()
    _DROP_CACHES.write_text("3\n")
    resident, pages = resident_pages(directory)
    if resident > pages * _MOST_RESIDENT_SHARE:
        raise BenchError(
            f"{directory}: {resident} of {pages} pages stayed in the page cache; end the processes that have it open"
        )


def resident_pages(directory: Path) -> tuple[int, int]:
    """Returns how many pages of the files below ``directory`` are in the page cache, and how many there are."""
    resident = pages = 0
    for path in directory.rglob("*"):
        size_bytes = path.stat().st_size if path.is_file() else 0
        if size_bytes > 0:
            with path.open("rb") as file:
                resident += _resident(file.fileno(), size_bytes)
            pages += -(-size_bytes // mmap.PAGESIZE)
    return resident, pages


def _resident(descriptor: int, size_bytes: int) -> int:
    flags = np.empty(-(-size_bytes // mmap.PAGESIZE), dtype=np.uint8)
    # Private and writable only so that ctypes can take its address; it is never written.
    with mmap.mmap(descriptor, size_bytes, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE) as mapped:
        first = ctypes.c_char.from_buffer(mapped)
        address = ctypes.c_void_p(ctypes.addressof(first))
        failed = _libc.mincore(address, ctypes.c_size_t(size_bytes), flags.ctypes.data_as(ctypes.c_void_p))
        del first
    if failed:
        raise OSError(ctypes.get_errno(), "mincore")
    return int(np.count_nonzero(flags & 1))


def _release_mappings(directory: Path) -> None:
    prefix = f"{directory.resolve()}/"
    for line in _MAPPINGS.read_text().splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and fields[5].startswith(prefix):
            start, end = (int(address, 16) for address in fields[0].split("-"))
            failed = _libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), mmap.MADV_DONTNEED)
            if failed:
                raise OSError(ctypes.get_errno(), f"madvise {fields[5]}")
