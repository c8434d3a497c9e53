"""A lock on an index, so that two processes never add sidecars to it at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from indexing.file_lock import file_lock

LOCK_FILE = "accelerate.lock"


@contextmanager
def index_lock(directory: Path) -> Iterator[int]:
    """Holds the lock of the index in ``directory`` while the body runs, and yields its descriptor.

    Raises:
        IndexBusyError: another process holds it.
        OutputError: the file system has no locks.
    """
    busy = f"{directory}: another 'headwater index accelerate' is at work on this index; wait for its end"
    with file_lock(directory / LOCK_FILE, busy) as descriptor:
        yield descriptor
