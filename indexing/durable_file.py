"""A file that is written once, from start to end, and then flushed to disk."""

import io
import os
from pathlib import Path

BUFFER_BYTES = 256 << 10


class DurableFile:
    """A new file; creating one that exists is an error."""

    def __init__(self, path: Path):
        self._file = io.BufferedWriter(path.open("xb", buffering=0), BUFFER_BYTES)

    def write(self, content: bytes | memoryview) -> None:
        """Appends ``content``."""
        self._file.write(content)

    def flush_and_close(self) -> None:
        """Flushes everything to disk and closes the file."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def close(self) -> None:
        """Closes the file, whatever is unwritten lost; nothing happens if it is closed."""
        try:
            self._file.close()
        except OSError:
            # Closing writes what is buffered; on a full disk that fails a second time, and the file goes anyway.
            self._file.raw.close()
