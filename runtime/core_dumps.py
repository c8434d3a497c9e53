"""Keeps what a process has in memory, queries and documents among it, out of files that outlive a crash."""

import contextlib
import resource
import sys

# Too small for a dump to a file, and the one value at which Linux does not start a program that collects dumps either:
# 0 would (man 5 core, fs/coredump.c).
_LIMIT_BYTES = 1 if sys.platform == "linux" else 0


def forbid_core_dumps() -> None:
    """Ends core dumps of this process and of all that it starts from now on."""
    with contextlib.suppress(ValueError, OSError):  # the limit is lower already
        resource.setrlimit(resource.RLIMIT_CORE, (_LIMIT_BYTES, _LIMIT_BYTES))
