"""Reads all files of the served shards now and then, slowly, and says when one is not what was published."""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

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
        self._gone: set[Path] = set()
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
        while not self._stop.wait(self._interval_s):
            try:
                damage = self._scrub()
            except _Stopped:
                return
            except Exception:  # the edge of this thread: without it nothing would ever be checked again
                self._metrics.scrub_failures.inc()
                _log.exception("scrubbing failed")
                continue
            if damage is not None:
                self._metrics.damaged_files.inc()
                _log.error("damaged file", extra={"damage": damage})
                self._on_damage(damage)
                return

    def _scrub(self) -> str | None:
        """Returns the first damage found.

        A file that cannot be read (too many are open, a network disk has a hiccup) is no damage: it may be as good as
        ever, and is looked at again next time. One that is gone then is damage.
        """
        began = time.monotonic()
        gone: set[Path] = set()
        num_unread = 0
        try:
            for file in self._listed():
                try:
                    damage = damage_of(file, self._pause)
                except OSError as error:
                    num_unread += 1
                    _log.warning("file cannot be read", extra={"path": str(file.path), "reason": error.strerror})
                    if isinstance(error, FileNotFoundError):
                        gone.add(file.path)
                    damage = f"{file.path}: is gone, copy it again" if file.path in self._gone & gone else None
                if damage is not None:
                    return damage
        except IndexFormatError as error:
            return str(error)
        self._gone = gone
        if num_unread:
            self._metrics.scrub_failures.inc()
            return None
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
