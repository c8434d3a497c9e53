"""A remote file from start to end, over several connections at once."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from indexing.remote_pieces import ReadableFile

# One request. Each connection holds one, so that 8 take 64 MiB.
RANGE_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Connections:
    """Threads that make requests, several at a time."""

    pool: ThreadPoolExecutor
    number: int

    def read(self, file: ReadableFile, start: int = 0) -> Iterator[bytes]:
        """Yields the bytes of a file from ``start`` on, in order, while the next ones are on their way.

        Raises:
            StorageError: some cannot be read, however often it is tried.
        """
        coming: deque[Future[bytes]] = deque()
        try:
            for position in range(start, file.size_bytes, RANGE_BYTES):
                if len(coming) == self.number:
                    yield coming.popleft().result()
                end = min(position + RANGE_BYTES, file.size_bytes)
                coming.append(self.pool.submit(file.read_range, position, end))
            while coming:
                yield coming.popleft().result()
        finally:
            for future in coming:
                future.cancel()


@contextmanager
def connections(number: int) -> Iterator[Connections]:
    """Yields ``number`` connections; after an exception nothing new is asked for."""
    pool = ThreadPoolExecutor(number, thread_name_prefix="storage")
    try:
        yield Connections(pool, number)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
