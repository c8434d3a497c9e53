"""Held by whoever changes what an index holds: builds, additions and removals of documents."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from indexing.file_lock import file_lock

LOCK_FILE = "build.lock"


@contextmanager
def change_lock(directory: Path) -> Iterator[int]:
    """Holds the lock of ``directory`` while the body runs, and yields its descriptor.

    Raises:
        IndexBusyError: another process holds it.
        OutputError: the file system has no locks.
    """
    busy = f"{directory}: another 'headwater index' command is changing this index; wait for its end"
    with file_lock(directory / LOCK_FILE, busy) as descriptor:
        yield descriptor
