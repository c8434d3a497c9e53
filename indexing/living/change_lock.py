"""Held by whoever changes what an index holds, or needs it to stay as it is for long."""

import errno
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from indexing.errors import OutputError
from indexing.file_lock import file_lock

# That of a build: nobody removes documents from an index to which somebody is adding some.
LOCK_FILE = "build.lock"
_UNWRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM)


@contextmanager
def change_lock(directory: Path) -> Iterator[int]:
    """Holds the lock of ``directory`` while the body runs, and yields its descriptor.

    Raises:
        IndexBusyError: another process holds it.
        OutputError: the file system has no locks.
    """
    busy = f"{directory}: another 'headwater index' command is at work on this index; wait for its end"
    with file_lock(directory / LOCK_FILE, busy) as descriptor:
        yield descriptor


@contextmanager
def unchanged(directory: Path) -> Iterator[None]:
    """Holds the lock while the body reads an index, so that nothing is added or removed meanwhile.

    Where the directory cannot be written to, or has no locks, the body runs all the same.

    Raises:
        IndexBusyError: another process holds it.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(change_lock(directory))
        except OutputError:
            pass
        except OSError as error:
            if error.errno not in _UNWRITABLE:
                raise
        yield
