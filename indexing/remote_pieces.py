"""A file that is too large for one object: as several, one behind another.

Arrow's client for S3 writes at most 10,000 parts of 10 MiB, 105 GB, and a table of 20 billion tokens is larger. Such a
file ``NAME`` is stored as ``NAME.piece-00000``, ``NAME.piece-00001`` and so on, all of one size but the last, which is
smaller or equal. An upload that is interrupted goes on with the piece at hand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from indexing.errors import StorageError
from indexing.remote_path import RemotePath
from indexing.storage import RemoteFile, Store

PIECE_BYTES = 32 << 30


@dataclass(frozen=True, slots=True)
class Piece:
    """The bytes [start, end) of a file, and the name they are stored under."""

    name: str
    start: int
    end: int


class ReadableFile(Protocol):
    """What is read from anywhere, by several threads at once."""

    size_bytes: int

    def read_range(self, start: int, end: int) -> bytes:
        """Returns the bytes in [start, end), 0 <= start <= end <= size."""


def pieces_of(name: str, size_bytes: int, largest_bytes: int | None) -> list[Piece]:
    """Returns what to store of a file: all of it under its name, unless it is larger than can be stored."""
    if largest_bytes is None or size_bytes <= largest_bytes:
        return [Piece(name, 0, size_bytes)]
    starts = range(0, size_bytes, PIECE_BYTES)
    return [
        Piece(_piece_name(name, number), start, min(start + PIECE_BYTES, size_bytes))
        for number, start in enumerate(starts)
    ]


def open_pieces(store: Store, path: RemotePath, size_bytes: int | None) -> ReadableFile:
    """Opens a file that is stored whole or in pieces.

    Args:
        store: The store.
        path: The file's own name.
        size_bytes: Its size as published; None if that is not known: it is whole then.

    Raises:
        StorageError: it is not there, or has another size.
    """
    if size_bytes is None:
        return store.open(path)
    if store.find(path) is not None:
        found: ReadableFile = store.open(path)
    elif store.find(first := RemotePath(_piece_name(path.url, 0))) is not None:
        piece_bytes = store.open(first).size_bytes
        number = -(-size_bytes // max(1, piece_bytes))
        found = _JoinedFile([store.open(RemotePath(_piece_name(path.url, piece))) for piece in range(number)])
    else:
        raise StorageError(f"{path}: not found; push the index again")
    if found.size_bytes != size_bytes:
        raise StorageError(
            f"{path}: has {found.size_bytes} bytes, the manifest says {size_bytes}; push the index again"
        )
    return found


class _JoinedFile:
    """Files of one size, the last perhaps smaller, read as one. Implements `ReadableFile`."""

    def __init__(self, files: Sequence[RemoteFile]):
        self._files = files
        self._piece_bytes = files[0].size_bytes
        self.size_bytes = sum(file.size_bytes for file in files)

    def read_range(self, start: int, end: int) -> bytes:
        content = b""
        while start < end:
            number, offset = divmod(start, self._piece_bytes)
            stop = min(end - start + offset, self._piece_bytes)
            content += self._files[number].read_range(offset, stop)
            start += stop - offset
        return content


def _piece_name(name: str, number: int) -> str:
    return f"{name}.piece-{number:05d}"
