"""Compares files with their published checksums, many at a time, as fast as the disk reads or the cores hash."""

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from index_format.manifest import FileEntry
from indexing.errors import VerificationError

# Large enough that neither the system calls nor the telling of progress are felt.
_CHUNK_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A file, what was published of it, and what to do if it is not that."""

    path: Path
    entry: FileEntry
    advice: str


@contextmanager
def hashing(
    files: Sequence[PublishedFile], threads: int, hashed: Callable[[int], None]
) -> Iterator[Callable[[], list[VerificationError]]]:
    """Hashes files while the body runs; what it is given waits for the end and returns what is wrong, in order.

    ``hashed`` is told the bytes that were read, from several threads, never two at once. Leaving the body by an
    exception ends the work at once.
    """
    stop = threading.Event()
    lock = threading.Lock()

    def tell(size_bytes: int) -> None:
        with lock:
            hashed(size_bytes)

    with ThreadPoolExecutor(threads or None) as pool:
        # The largest first: what is left at the end is short.
        order = sorted(range(len(files)), key=lambda number: -files[number].entry.size_bytes)
        futures = {number: pool.submit(partial(_check, stop, tell), files[number]) for number in order}

        def results() -> list[VerificationError]:
            found = [futures[number].result() for number in range(len(files))]
            return [problem for problem in found if problem is not None]

        try:
            yield results
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def _check(stop: threading.Event, tell: Callable[[int], None], file: PublishedFile) -> VerificationError | None:
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(min(_CHUNK_BYTES, max(1, file.entry.size_bytes))))
    try:
        with file.path.open("rb", buffering=0) as stream:
            while not stop.is_set() and (size := stream.readinto(buffer)):
                digest.update(buffer[:size])
                tell(size)
    except OSError as error:
        return VerificationError(f"{file.path}: cannot be read ({error.strerror}); {file.advice}")
    if (found := digest.hexdigest()) == file.entry.sha256 or stop.is_set():
        return None
    return VerificationError(
        f"{file.path}: content has sha256 {found}, {file.entry.sha256} was published; "
        f"the file has changed or is damaged, {file.advice}"
    )
