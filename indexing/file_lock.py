"""A lock that is a file: held by one process at a time, and dropped by the system when its holders end."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

from indexing.errors import IndexBusyError, OutputError

# What the processes of a command that was killed may take to end.
_PATIENCE_S = 2.0
_PAUSE_S = 0.05


@contextmanager
def file_lock(path: Path, busy: str, patience_s: float = _PATIENCE_S) -> Iterator[int]:
    """Holds the lock at ``path`` while the body runs, and yields its descriptor.

    The system releases it when the last process that has the descriptor open ends, however it does. The file is made
    here and removed at the end; one that a dead process left locks nothing.

    Raises:
        IndexBusyError: another process holds it after ``patience_s``; ``busy`` is the message.
        OutputError: the file system has no locks.
    """
    descriptor = _locked(path, busy, patience_s)
    try:
        yield descriptor
    finally:
        with suppress(OSError):  # somebody removed it by hand, or the folder round it
            path.unlink()
        os.close(descriptor)


def _locked(path: Path, busy: str, patience_s: float) -> int:
    deadline = monotonic() + patience_s
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(path, descriptor):
                return descriptor
        except BlockingIOError:
            if monotonic() > deadline:
                os.close(descriptor)
                raise IndexBusyError(busy) from None
            sleep(_PAUSE_S)
        except OSError as error:
            os.close(descriptor)
            raise OutputError(f"{path}: cannot lock the index on this file system ({error.strerror})") from error
        os.close(descriptor)  # somebody holds it, or removed the file between our opening and locking it


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(found, os.fstat(descriptor))
