"""One request on a cold index: how long it took, and what it read from the disk."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Generic, TypeVar

from bench.block_reads import BlockReads, Disk, own_read_bytes
from bench.page_cache import make_cold, require_cold_cache

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)

# Others may use the disk at the same moment; then the request is made again.
_ATTEMPTS = 2
_FOREIGN_SHARE = 0.02
_FOREIGN_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class ColdRequest(Generic[_T_co]):
    """A request that found nothing in the page cache.

    Attributes:
        result: What it returned.
        milliseconds: Its wall time.
        read: What the disk read meanwhile.
        foreign_bytes: How many of these bytes other processes read.
    """

    result: _T_co
    milliseconds: float
    read: BlockReads
    foreign_bytes: int

    def keeping(self, part: _T) -> "ColdRequest[_T]":
        """Returns the request with ``part`` in place of its result, which may be large."""
        return ColdRequest(part, self.milliseconds, self.read, self.foreign_bytes)

    @property
    def disturbed(self) -> bool:
        """Whether the disk's counters say more of other processes than measuring allows."""
        return self.foreign_bytes > max(_FOREIGN_BYTES, self.read.size_bytes * _FOREIGN_SHARE)


class ColdIndex:
    """An index whose files are dropped from memory before each request to it, whoever answers the request."""

    def __init__(self, directory: Path) -> None:
        """Checks that the files of ``directory`` can be made cold, and its disk's reads be counted.

        Raises:
            BenchError: not root, or not on one block device.
        """
        require_cold_cache()
        self.directory = directory
        self.disk = Disk(directory)

    def request(self, call: Callable[[], _T]) -> ColdRequest[_T]:
        """Makes the index cold and times ``call``; once more while others read from the disk.

        Raises:
            BenchError: see `make_cold`.
        """
        best = self._request(call)
        for _ in range(_ATTEMPTS - 1):
            if not best.disturbed:
                break
            best = min(best, self._request(call), key=lambda one: one.foreign_bytes)
        return best

    def _request(self, call: Callable[[], _T]) -> ColdRequest[_T]:
        make_cold(self.directory)
        before, own_before = self.disk.counted(), own_read_bytes()
        began = perf_counter()
        result = call()
        milliseconds = (perf_counter() - began) * 1000
        read, own = self.disk.counted() - before, own_read_bytes() - own_before
        return ColdRequest(result, milliseconds, read, max(0, read.size_bytes - own))
