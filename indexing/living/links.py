"""Gives a file a second name instead of copying it."""

import errno
import os
import shutil
from pathlib import Path
from typing import Literal

from index_format.manifest import flush_directory

Linked = Literal["hard", "symbolic", "copy"]

# Another file system, one without hard links, somebody else's file, or a file with as many names as there can be.
_NO_HARD_LINK = (errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS)
_COPIED_BYTES = 8 << 20


def link(source: Path, target: Path, otherwise: Literal["symbolic", "copy"]) -> Linked:
    """Makes ``target`` the file ``source``, and says how: by a hard link, or where there can be none ``otherwise``.

    A target that is there already is replaced. The folder is not flushed to disk; the content of a copy is.
    """
    target.unlink(missing_ok=True)
    origin = source.resolve(strict=True)
    try:
        os.link(origin, target)
        return "hard"
    except OSError as error:
        if error.errno not in _NO_HARD_LINK:
            raise
    if otherwise == "symbolic":
        target.symlink_to(origin)
        return "symbolic"
    copy(origin, target)
    return "copy"


def copy(source: Path, target: Path) -> None:
    """Copies a file durably: under another name first, so that ``target`` is whole or not there."""
    beside = target.with_name(f"{target.name}.tmp")
    with source.open("rb") as read, beside.open("wb") as written:
        shutil.copyfileobj(read, written, _COPIED_BYTES)
        written.flush()
        os.fsync(written.fileno())
    beside.replace(target)
    flush_directory(target.parent)
