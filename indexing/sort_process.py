"""Sorts one shard in a process of its own: ``python sort_process.py DIRECTORY TOKEN_WIDTH THREADS``.

The engine sorts in one call that nothing interrupts. In another process it ends the moment that process is killed, its
memory goes back to the system, and running out of memory takes the sort down and not the build. It is an ordinary
command and no `multiprocessing` child, so a caller's main module is not imported a second time; and a script, not a
module of this package, which would take longer to import than a small shard takes to sort.
"""

import os
import signal
import sys
import threading

from suffix_engine import EngineError, sort_shard


def main() -> int:
    """Sorts, and says on standard error what went wrong; the result is the exit code."""
    # Ctrl-C reaches the whole process group; who started the sort decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    directory, token_width, num_threads = sys.argv[1:]
    try:
        sort_shard(directory, token_width=int(token_width), num_threads=int(num_threads))
    except (EngineError, MemoryError) as error:
        print(f"{error or type(error).__name__}", file=sys.stderr)
        return 1
    return 0


def _end_with_parent() -> None:
    # Standard input is a pipe that the parent never writes to: it ends when the parent does, however that happens.
    # Read below Python's buffering: its lock, held here when the interpreter ends, would abort the process.
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
