"""A lock on an index, so that two processes never add sidecars to it at once."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

from indexing.errors import IndexBusyError, OutputError

LOCK_FILE = "accelerate.lock"
# What the engine of a command that was killed may take to end.
_GRACE_S = 2.0
_PAUSE_S = 0.05


@contextmanager
def index_lock(directory: Path) -> Iterator[int]:
    """Holds the lock of the index in ``directory`` while the body runs, and yields its descriptor.

    The system releases it when the last process that has the descriptor open ends, however it does.

    Raises:
        IndexBusyError: another process holds it.
        OutputError: the file system has no locks.
    """
    path = directory / LOCK_FILE
    descriptor = _locked(path)
    try:
        yield descriptor
    finally:
        with suppress(FileNotFoundError):  # somebody removed it by hand
            path.unlink()
        os.close(descriptor)


def _locked(path: Path) -> int:
    deadline = monotonic() + _GRACE_S
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(path, descriptor):
                return descriptor
        except BlockingIOError:
            if monotonic() > deadline:
                os.close(descriptor)
                raise IndexBusyError(
                    f"{path.parent}: another 'headwater index accelerate' is at work on this index; wait for its end"
                ) from None
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
