"""Leaves no process behind: a process that starts others adopts their orphans and ends them all."""

import contextlib
import ctypes
import os
import sys

import psutil

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def adopt_orphans() -> None:
    """Makes this process the parent of whatever its descendants leave behind, so that `end_descendants` finds it.

    Linux only; elsewhere it does nothing.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl(PR_SET_CHILD_SUBREAPER): {os.strerror(number)}")


def end_descendants(grace_s: float) -> None:
    """Ends every descendant of this process: SIGTERM, and SIGKILL after ``grace_s`` seconds. Reaps them."""
    end_processes(psutil.Process().children(recursive=True), grace_s)
    # What was started, or orphaned to this process, in the meantime.
    while left := psutil.Process().children(recursive=True):
        end_processes(left, 0)


def end_processes(processes: list[psutil.Process], grace_s: float) -> None:
    """Ends ``processes``: SIGTERM, and SIGKILL after ``grace_s`` seconds. A reused process id is never hit."""
    if grace_s > 0:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        _, processes = psutil.wait_procs(processes, timeout=grace_s)
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=5)
