"""The takedowns in force, as the takedown file says them: read again when it changes, never given up for nothing."""

import asyncio
import logging
from pathlib import Path

from coordinator.cluster.takedown_file import FileStamp, TakedownFile
from coordinator.errors import ConfigurationError
from coordinator.takedown_list import TakedownList

_log = logging.getLogger(__name__)


class TakedownWatch:
    """Follows a takedown file. A file that is broken, gone or older than what was read changes nothing, and is told."""

    def __init__(self, path: Path):
        self.file = TakedownFile(path)
        self.takedowns = self.file.read()
        self._stamp: FileStamp | str = "unread"
        self._told = ""

    async def has_changed(self) -> bool:
        """Returns whether another list is in force than before. Reads the file if it may have changed."""
        stamp = await asyncio.to_thread(self.file.stamp)
        if stamp == self._stamp:
            self._told = ""  # a file that was away and is back is the one that was read
            return False
        try:
            found = await asyncio.to_thread(self.file.read)
            self._check(found)
        except ConfigurationError as error:
            if self._told != str(error):
                self._told = str(error)
                _log.error("takedown file not obeyed, the list before stays in force", extra={"reason": str(error)})
            return False
        self._stamp, self._told = stamp, ""
        if found == self.takedowns:
            return False
        self.takedowns = found
        return True

    @property
    def is_in_force(self) -> bool:
        """Whether the file as it was last looked at is what counts: it had no fault."""
        return not self._told

    def _check(self, found: TakedownList) -> None:
        epoch = self.takedowns.epoch
        if found.epoch < epoch:
            what = f"epoch {found.epoch}" if found.epoch else "no file"
        elif found.epoch == epoch and found != self.takedowns:
            what = f"another list with epoch {epoch}"
        else:
            return
        raise ConfigurationError(
            f"{self.file.path}: found {what}, expected epoch {epoch} or a later one; restore it, or if the list is "
            f"right as it is: headwater takedown renumber --file {self.file.path} --above {epoch}"
        )
