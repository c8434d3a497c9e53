"""Reads all files of the served shards now and then, slowly, and says when one is not what was published."""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable

from index_format.errors import IndexFormatError
from shard_server.checksums import PublishedFile, damage_of
from shard_server.metrics import Metrics

_SECOND_LOOK_S = 0.5

_log = logging.getLogger(__name__)


class _Stopped(Exception):
    """The scrubber was told to stop."""


class Scrubber:
    """A thread that scrubs from `start` until `close`, or until it finds damage."""

    def __init__(
        self,
        files: Callable[[], Iterable[PublishedFile]],
        *,
        interval_s: float,
        mb_per_s: float,
        metrics: Metrics,
        on_damage: Callable[[str], None],
    ):
        """Makes the thread.

        Args:
            files: What to read, asked anew each time.
            interval_s: Time before each reading, in seconds.
            mb_per_s: How fast to read, in MB a second.
            metrics: Where bytes, readings and damage are counted.
            on_damage: Called once, in the thread, with a message that names the file.
        """
        self._files = files
        self._interval_s = interval_s
        self._bytes_per_s = mb_per_s * 1e6
        self._metrics = metrics
        self._on_damage = on_damage
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scrub", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def close(self) -> None:
        """Stops the thread."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        if sys.platform == "linux":  # there a priority is a thread's
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        try:
            while not self._stop.wait(self._interval_s):
                if (damage := self._scrub()) is not None:
                    self._metrics.damaged_files.inc()
                    _log.error("damaged file", extra={"damage": damage})
                    self._on_damage(damage)
                    return
        except _Stopped:
            pass
        except Exception:  # the edge of this thread: whoever reads the log must know that nothing is checked now
            _log.exception("scrubbing failed")

    def _scrub(self) -> str | None:
        """Returns the first damage found."""
        began = time.monotonic()
        try:
            for file in self._listed():
                if (damage := damage_of(file, self._pause)) is not None:
                    return damage
        except IndexFormatError as error:
            return str(error)
        self._metrics.scrubs.inc()
        _log.info("scrubbed", extra={"seconds": round(time.monotonic() - began, 3)})
        return None

    def _listed(self) -> list[PublishedFile]:
        try:
            return list(self._files())
        except IndexFormatError:
            # A manifest may be read in the moment in which sidecars are built anew; damage is still there when looked
            # at again.
            if self._stop.wait(_SECOND_LOOK_S):
                raise _Stopped from None
            return list(self._files())

    def _pause(self, num_bytes: int) -> None:
        self._metrics.scrubbed_bytes.inc(num_bytes)
        if self._stop.wait(num_bytes / self._bytes_per_s):
            raise _Stopped
