"""The takedown file: the takedowns in force, shared by all coordinators that serve the same corpora.

It is read again when it changes, and changed under a lock that stands beside it, so that several coordinators and the
command line can change it at once. A change is on disk when it returns, or the log says that it may not be. Only its
owner may read it. The lock's file says the number of the last list, so that a file that was lost, or replaced by an
older one, is noticed.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import re
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
_NOTED = re.compile(rb"[0-9]{20}\n")

_log = logging.getLogger(__name__)


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
            ConfigurationError: the file cannot be read, is no list, or is older than what was written here before, or
                gone; nothing of it may be obeyed then.
        """
        # The number first: a writer notes it after its list, so no list that is read later may be older.
        last_written = self._last_written()
        found = self._read()
        self._refuse_older(found, last_written, "was written here")
        return found

    def change(
        self,
        change: Callable[[tuple[KeptTakedown, ...]], tuple[KeptTakedown, ...]],
        *,
        latest: int = 0,
        may_be_first: bool = False,
    ) -> TakedownList:
        """Replaces the takedowns by what ``change`` makes of them, and returns the new list, with the next number.

        If ``change`` raises, nothing changes, nor if it leaves them as they are.

        Args:
            change: Gets the takedowns, returns those to be.
            latest: Number of the latest list that is known to be in force somewhere.
            may_be_first: Whether there may be no file yet.

        Raises:
            ConfigurationError: the file cannot be read or written, is no list, is not there, or is older than
                ``latest`` or than what was written here before: a change of it would end what was taken down since.
        """
        with self._turn():
            before = self.read()
            self._refuse_older(before, latest, "is in force")
            if not before.epoch and not may_be_first:
                raise ConfigurationError(
                    f"{self.path}: found no file, expected a list of takedowns; restore it, or say that it is a "
                    "new one (--new)"
                )
            takedowns = tuple(sorted(change(before.takedowns), key=lambda one: one.id))
            if before.epoch and takedowns == before.takedowns:
                return before
            return self._put(TakedownList(before.epoch + 1, takedowns))

    def renumber(self, above: int) -> TakedownList:
        """Gives the list, as it is, a number above all others, and returns it: for a file restored or begun anew.

        What a later list took down is found again then. A file that is not there becomes an empty list.

        Raises:
            ConfigurationError: the file cannot be read or written, or is no list.
        """
        with self._turn():
            before = self._read()
            epoch = max(before.epoch, self._last_written(), above) + 1
            return self._put(TakedownList(epoch, before.takedowns))

    def _read(self) -> TakedownList:
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

    def _refuse_older(self, found: TakedownList, latest: int, why: str) -> None:
        if found.epoch < latest:
            what = f"epoch {found.epoch}" if found.epoch else "no file"
            raise ConfigurationError(
                f"{self.path}: found {what}, and takedowns number {latest} {why}; restore the file, nothing has "
                f"changed. If what it says is right: headwater takedown renumber --file {self.path} --above {latest}"
            )

    def _put(self, after: TakedownList) -> TakedownList:
        content = after.to_json()
        self._write(content)
        # From here on whoever reads the file finds the new list: nothing may be told as if it had not changed.
        self._known = hashlib.sha256(content).digest(), after
        try:
            flush_directory(self.path.parent)
        except OSError as error:
            self._tell("takedown file changed, but a crash of the machine may undo it", after, error)
        try:
            self._note(after.epoch)
        except OSError as error:
            self._tell(
                "takedown file changed, but its number is not noted: a loss of it may go unnoticed", after, error
            )
        return after

    def _tell(self, what: str, after: TakedownList, error: OSError) -> None:
        _log.error(what, extra={"path": str(self.path), "epoch": after.epoch, "reason": str(error)})

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        try:
            with self._locked():
                yield
        except OSError as error:
            raise ConfigurationError(
                f"{self.path}: cannot write the takedown file ({error.strerror}); it has not changed"
            ) from error

    @property
    def _lock_path(self) -> Path:
        return self.path.with_name(self.path.name + ".lock")

    def _last_written(self) -> int:
        """Returns the number of the last list that was written here; 0 if none is known. The lock's file says it."""
        try:
            noted = self._lock_path.read_bytes()
        except OSError:
            return 0
        return int(noted) if _NOTED.fullmatch(noted) else 0

    def _note(self, epoch: int) -> None:
        # After the list, so that no crash leaves a number here that no list has.
        with self._lock_path.open("r+b") as file:
            file.write(b"%020d\n" % epoch)
            file.flush()
            os.fsync(file.fileno())

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _write(self, content: bytes) -> None:
        """Puts the content, flushed to disk, in place in one step. If it raises, the file has not changed."""
        beside = self.path.with_name(self.path.name + ".tmp")
        beside.unlink(missing_ok=True)  # of a writer that was killed; nobody else holds the lock
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)
