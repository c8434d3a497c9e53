"""The takedown file: the takedowns in force, shared by all coordinators that serve the same corpora.

It is read again when it changes, and changed under a lock that stands beside it, so that several coordinators and the
command line can change it at once. A change is on disk when it returns. Only its owner may read it.
"""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from coordinator.errors import ConfigurationError
from coordinator.takedown_list import NO_TAKEDOWNS, KeptTakedown, TakedownList
from index_format.errors import TakedownError
from index_format.manifest import flush_directory

# What tells one content of a file from another without reading it: None if there is no file.
FileStamp: TypeAlias = tuple[int, int, int] | None

_MODE = 0o600


class TakedownFile:
    """A takedown file at a path. One that is not there yet holds no takedowns, as list number 0."""

    def __init__(self, path: Path):
        self.path = path
        # What was read or written last, by the hash of its content: a long list takes seconds to parse.
        self._known: tuple[bytes, TakedownList] | None = None

    def stamp(self) -> FileStamp:
        """Returns what changes with its content."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def read(self) -> TakedownList:
        """Returns the list.

        Raises:
            ConfigurationError: the file cannot be read or is no list; nothing of it may be obeyed then.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return NO_TAKEDOWNS
        except OSError as error:
            raise ConfigurationError(f"{self.path}: cannot read the takedown file ({error.strerror})") from error
        known, digest = self._known, hashlib.sha256(content).digest()
        if known is not None and known[0] == digest:
            return known[1]
        try:
            found = TakedownList.parse(content, self.path)
        except TakedownError as error:
            raise ConfigurationError(str(error)) from error
        self._known = digest, found
        return found

    def change(
        self,
        change: Callable[[tuple[KeptTakedown, ...]], tuple[KeptTakedown, ...]],
        *,
        above: int = 0,
        in_force: int = 0,
    ) -> TakedownList:
        """Replaces the takedowns by what ``change`` makes of them, and returns the new list.

        Its number is larger than that of the list before and than ``above``. If ``change`` raises, nothing changes.

        Raises:
            ConfigurationError: the file cannot be read or written, is no list, or is older than list number
                ``in_force``: a change of it would end what was taken down since.
        """
        try:
            with self._locked():
                before = self.read()
                if before.epoch < in_force:
                    found = f"epoch {before.epoch}" if before.epoch else "no file"
                    raise ConfigurationError(
                        f"{self.path}: found {found}, and takedowns number {in_force} are in force; restore the file, "
                        "nothing has changed"
                    )
                takedowns = sorted(change(before.takedowns), key=lambda one: one.id)
                after = TakedownList(max(before.epoch, above) + 1, tuple(takedowns))
                content = after.to_json()
                self._write(content)
                self._known = hashlib.sha256(content).digest(), after
                return after
        except OSError as error:
            raise ConfigurationError(
                f"{self.path}: cannot write the takedown file ({error.strerror}); it has not changed"
            ) from error

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        lock = os.open(self.path.with_name(self.path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _write(self, content: bytes) -> None:
        """Puts the content in place in one step, flushed to disk."""
        beside = self.path.with_name(self.path.name + ".tmp")
        beside.unlink(missing_ok=True)  # of a writer that was killed; nobody else holds the lock
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)
        flush_directory(self.path.parent)
