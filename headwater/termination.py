"""What SIGTERM does to a command: the same as Ctrl-C, so that it can clear up."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

_EXIT_TERMINATED = 128 + signal.SIGTERM


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Lets SIGTERM end the body as Ctrl-C does."""

    def end(number: int, frame: object) -> NoReturn:
        sys.exit(_EXIT_TERMINATED)

    previous = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
