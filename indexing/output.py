"""The directory an index is written to: empty at the start, and again after any failure."""

import errno
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from index_format.layout import INDEX_MANIFEST, shard_folder
from index_format.manifest import flush_directory
from indexing.errors import DiskFullError, OutputError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class OutputDirectory:
    """What a build has created so far below one directory."""

    def __init__(self, path: Path):
        self.path = path
        self._directories: list[Path] = []
        self._shards: list[Path] = []
        self._files: list[Path] = []

    def create(self) -> None:
        """Creates the directory, and those above it that are missing.

        Raises:
            OutputError: it exists and is not an empty directory, or cannot be created.
        """
        missing = [folder for folder in (self.path, *self.path.absolute().parents) if not folder.exists()]
        try:
            found = {entry.name for entry in self.path.iterdir()} if self.path.exists() else set()
            if shard_folder(0) in found and INDEX_MANIFEST not in found:
                raise OutputError(
                    f"{self.path}: the directory holds an unfinished index; if no build is at work on it, remove it"
                )
            if found:
                raise OutputError(f"{self.path}: the directory is not empty; choose another, or empty it first")
            for folder in reversed(missing):
                folder.mkdir()
                self._directories.append(folder)
                flush_directory(folder.parent)
        except OSError as error:
            raise OutputError(f"{self.path}: cannot create the index there ({error.strerror})") from error

    def create_shard(self, number: int) -> Path:
        """Creates the folder of a shard and returns it.

        Raises:
            OutputError: it exists already: another build writes to the same directory.
        """
        folder = self.path / shard_folder(number)
        try:
            folder.mkdir()
        except FileExistsError as error:
            raise OutputError(f"{folder}: exists already; does another build write to {self.path}?") from error
        self._shards.append(folder)
        flush_directory(self.path)
        return folder

    def create_file(self, name: str) -> Path:
        """Returns the path of a file that is about to be written durably, to be removed with the rest on failure."""
        path = self.path / name
        self._files += [path, path.with_name(name + ".tmp")]
        return path

    def remove_created(self) -> None:
        """Removes everything created here: the manifest first, so that no reader sees half an index."""
        for file in reversed(self._files):
            with suppress(OSError):  # the rest goes all the same, and the error that led here is the one to tell
                file.unlink(missing_ok=True)
        for shard in self._shards:
            shutil.rmtree(shard, ignore_errors=True)
        for directory in reversed(self._directories):
            with suppress(OSError):  # somebody else has put a file there: it is theirs
                directory.rmdir()


@contextmanager
def output_directory(path: Path) -> Iterator[OutputDirectory]:
    """Creates the output directory for the body to fill; on any exception removes what was written, and it.

    Raises:
        OutputError: it exists and is not an empty directory, or cannot be written.
        DiskFullError: the body ran out of disk.
    """
    output = OutputDirectory(path)
    try:
        output.create()
        yield output
    except BaseException as error:
        with _uninterrupted():
            output.remove_created()
        if isinstance(error, OSError):
            raise _as_output_error(path, error) from error
        raise


def _as_output_error(path: Path, error: OSError) -> OutputError:
    if error.errno in _FULL:
        return DiskFullError(
            f"{path}: no room left on the disk ({error.strerror}); what was written is removed; "
            "free some, or choose another disk with --out"
        )
    return OutputError(f"{error.filename or path}: cannot write the index ({error.strerror or error})")


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Runs the body deaf to Ctrl-C and SIGTERM: a second one must not leave half of the files behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler or signal.SIG_DFL)
