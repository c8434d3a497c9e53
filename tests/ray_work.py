"""Work that the tests have done by workers on Ray."""

import errno
import os
import signal
import time
from pathlib import Path

from indexing.errors import BadDocumentError
from indexing.tasks import Advanced


def process_of(seconds: float, advanced: Advanced) -> tuple[int, float, float]:
    """Returns the worker, and from when to when it was at work."""
    began = time.time()
    time.sleep(seconds)
    return os.getpid(), began, time.time()


def die_until(marks: Path, times: int, advanced: Advanced) -> int:
    """Is killed so many times, then returns how often it was begun."""
    begun = len(list(marks.iterdir()))
    (marks / str(begun)).touch()
    if begun < times:
        os.kill(os.getpid(), signal.SIGKILL)
    return begun + 1


def find_a_bad_line(path: Path, advanced: Advanced) -> None:
    """Fails as reading does."""
    raise BadDocumentError(path, 6, "not valid JSON")


def fill_the_disk(path: Path, advanced: Advanced) -> None:
    """Fails as writing does."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def fail_by_a_fault_of_ours(advanced: Advanced) -> None:
    """Fails as nothing should."""
    raise ZeroDivisionError("1 / 0")


def go_on(log: Path, advanced: Advanced) -> None:
    """Writes and tells again and again, for a minute."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with log.open("ab") as file:
            file.write(b"x")
        advanced(1)
        time.sleep(0.02)


def tell_and_die_once(marks: Path, advanced: Advanced) -> None:
    """Tells of 60, is killed, and tells of 80 the second time; a mark of each amount says that it was heard."""
    again = (marks / "begun").exists()
    (marks / "begun").touch()
    if again:
        wait_for(marks / "-60")
    amount = 80 if again else 60
    time.sleep(1.1)  # sooner it would not be told
    advanced(amount)
    wait_for(marks / str(amount))
    if not again:
        os.kill(os.getpid(), signal.SIGKILL)


def wait_for(path: Path) -> None:
    """Returns when a file is there."""
    end = time.monotonic() + 60
    while not path.exists():
        if time.monotonic() > end:
            raise TimeoutError(f"{path} did not come")
        time.sleep(0.01)


def meet(marks: Path, name: str, other: str, advanced: Advanced) -> tuple[int, float, float]:
    """Waits until the task of the other name is at work too, then returns what `process_of` does."""
    began = time.time()
    (marks / name).touch()
    wait_for(marks / other)
    return os.getpid(), began, time.time()


def fail_once_begun(log: Path, advanced: Advanced) -> None:
    """Fails as reading does, once others are at work."""
    while not log.exists():
        time.sleep(0.01)
    raise BadDocumentError(log, 6, "not valid JSON")
