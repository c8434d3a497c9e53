"""What storage gives of a file, and what a kind of storage must be able to do."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file on a store.

    Attributes:
        path: As the store names it: bucket and key, or host and path.
        size_bytes: Its size.
        mark: Changes when the content does: an entity tag or a time in nanoseconds. Empty where the store has neither.
    """

    path: str
    size_bytes: int
    mark: str


class OpenFile(Protocol):
    """A file opened to be read. Several threads may read at once."""

    size_bytes: int

    def read(self, start: int, end: int) -> bytes:
        """Returns the bytes in [start, end), 0 <= start <= end <= size; fewer only if the connection broke."""


class StoredFiles(Protocol):
    """The files of one kind of storage. Every method makes requests and may raise what its client raises.

    ``largest_bytes`` is the size of the largest file that can be written; None: any.
    """

    largest_bytes: int | None

    def path_of(self, url: str) -> str:
        """Returns what the other methods take for a URL."""

    def files_below(self, folder: str) -> list[StoredFile]:
        """Returns all files below a folder, in any order; none if it does not exist."""

    def find(self, path: str) -> StoredFile | None:
        """Returns one file, or None if there is none."""

    def open(self, path: str) -> OpenFile:
        """Opens a file to be read."""

    def write(self, path: str, chunks: Iterable[bytes]) -> None:
        """Writes a file from its start; it appears when all is written.

        If ``chunks`` raises, it may be there all the same, broken.
        """

    def delete(self, path: str) -> None:
        """Removes a file."""
