"""The file of a task that runs elsewhere: how much of it is done, and whether anybody waits for it still.

Who waits for the task makes the file, and removes it when it waits no more. Who works on the task writes into it now
and then, and ends where the file is gone. It lies among the temporary files of a build, which all machines at work on
it share, so it takes no service and no process of its own.
"""

import secrets
from pathlib import Path
from time import monotonic

_SECONDS_BETWEEN_WRITES = 1.0


class NobodyWaitsError(Exception):
    """The task at work is of a build, or an attempt at one, that has ended."""


def make_task_file(folder: Path) -> Path:
    """Makes the file of a task in ``folder``, under a name that no other has had."""
    path = folder / secrets.token_hex(8)
    path.touch()
    return path


def amount_done(path: Path) -> int | None:
    """Returns how much was written last, since the task was begun for the last time; None if that cannot be told."""
    try:
        return int(path.read_bytes())
    except (OSError, ValueError):  # a disk that fails for a moment; or nothing is written yet
        return None


class TaskFileWriter:
    """Writes how much of a task is done, in a process that works on it. Is a `tasks.Advanced`.

    A task that is begun again, after its worker died, begins at zero. A write that fails is left out.

    Raises:
        NobodyWaitsError: from any call, and when it is made: the task is to end.
    """

    def __init__(self, path: Path):
        self._path = path
        self._done = 0
        self._write()

    def __call__(self, amount: int) -> None:
        """Counts ``amount`` more, and writes if the last time is long enough ago."""
        self._done += amount
        if monotonic() - self._written_at >= _SECONDS_BETWEEN_WRITES:
            self._write()

    def _write(self) -> None:
        self._written_at = monotonic()
        try:
            with self._path.open("r+b", buffering=0) as file:
                # As long as what it replaces: whoever reads meanwhile never finds half a number.
                file.write(b"%020d" % self._done)
        except FileNotFoundError as error:
            raise NobodyWaitsError(str(self._path)) from error
        except OSError:
            pass  # what is told is not worth the task
