"""Traces that were made before, as the bytes that were sent: bounded by their size, the longest unused go first."""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol, TypeAlias

from coordinator.requests import TraceRequest

GenerationKey: TypeAlias = Sequence[tuple[str, str, str, str]]
"""Name, stage and index id of each corpus that is served, and what of it is taken down."""

# A few huge answers must not push all others out.
_LARGEST_SHARE = 8
# What an entry costs besides its bytes: its key, and its place in the dictionary.
_ENTRY_BYTES = 256


class CacheObserver(Protocol):
    """Is told what becomes of the cache."""

    def cache_changed(self, size_bytes: int, num_evicted: int) -> None:
        """The cache holds so many bytes now; so many entries had to go."""


class ResultCache:
    """Keeps serialised traces up to ``max_bytes`` in all; 0 keeps none."""

    def __init__(self, max_bytes: int, observer: CacheObserver):
        self._max_bytes = max_bytes
        self._observer = observer
        self._size_bytes = 0
        self._entries: OrderedDict[bytes, bytes] = OrderedDict()

    @property
    def is_on(self) -> bool:
        """Whether anything can be kept."""
        return self._max_bytes > 0

    @property
    def size_bytes(self) -> int:
        """What the entries take."""
        return self._size_bytes

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> bytes | None:
        """Returns what is kept under a key."""
        found = self._entries.get(key)
        if found is not None:
            self._entries.move_to_end(key)
        return found

    def clear(self) -> None:
        """Forgets everything."""
        num_evicted = len(self._entries)
        self._entries.clear()
        self._size_bytes = 0
        self._observer.cache_changed(0, num_evicted)

    def put(self, key: bytes, content: bytes) -> None:
        """Keeps ``content``, unless it is so large that it would push out much else."""
        size_bytes = _cost(content)
        if size_bytes > self._max_bytes // _LARGEST_SHARE:
            return
        replaced = self._entries.pop(key, None)
        if replaced is not None:
            self._size_bytes -= _cost(replaced)
        self._entries[key] = content
        self._size_bytes += size_bytes
        num_evicted = 0
        while self._size_bytes > self._max_bytes:
            _, evicted = self._entries.popitem(last=False)
            self._size_bytes -= _cost(evicted)
            num_evicted += 1
        self._observer.cache_changed(self._size_bytes, num_evicted)


def cache_key(generation: GenerationKey, request: TraceRequest) -> bytes:
    """Returns the key of a request: different for whatever can change its answer.

    A generation counts only as far as the request's corpora go. The answer and prompt are hashed, not kept.
    """
    asked = tuple(part for part in generation if not request.corpora or part[0] in request.corpora)
    # A dataclass's repr shows every field, and escapes what could make two of them look alike.
    return hashlib.blake2b(repr((asked, request)).encode(), digest_size=32).digest()


def _cost(content: bytes) -> int:
    return len(content) + _ENTRY_BYTES
