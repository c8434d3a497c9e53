"""A call of the engine in a process of its own: ``engine_process.py TASK DIRECTORY NUMBER TOKEN_WIDTH THREADS ...``.

TASK is sort, merge, accelerate, open or verify. The engine does each in one call. In another process it ends the
moment that process is killed, its memory goes back to the system, and running out of memory, or a file that shrinks
while it is read, takes the call down and not who made it. It is an ordinary command and no `multiprocessing` child, so
a caller's main module is not imported a second time; and a script, not a module of this package, which would take
longer to import than a small shard takes to sort.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from time import monotonic

from suffix_engine import EngineError, ShardIndex, ThreadPool, accelerate_shard, merge_parts, sort_part

_SECONDS_BETWEEN_LINES = 0.2


def main() -> int:
    """Does the task, and says on standard error what went wrong; the result is the exit code."""
    # Ctrl-C reaches the whole process group; who started this process decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    task, directory, number, token_width, num_threads, *options = sys.argv[1:]
    try:
        _TASKS[task](directory, int(number), int(token_width), int(num_threads), *options)
    except (EngineError, MemoryError) as error:
        print(f"{error or type(error).__name__}", file=sys.stderr)
        return 1
    return 0


def _sort(
    directory: str, number: int, token_width: int, num_threads: int, part: str, num_parts: str, accelerate: str
) -> None:
    """Sorts a part, and prints again and again how many of its tokens are done."""
    assert number == 0, "what we sort is named as our own shards are"
    sort_part(
        directory,
        token_width=token_width,
        part=int(part),
        num_parts=int(num_parts),
        num_threads=num_threads,
        accelerate=accelerate == "1",
        progress=_Printed(),
    )


def _merge(
    directory: str, number: int, token_width: int, num_threads: int, num_parts: str, memory_bytes: str, accelerate: str
) -> None:
    """Merges the parts, and prints again and again how many tokens are done."""
    assert number == 0, "what we sort is named as our own shards are"
    merge_parts(
        directory,
        token_width=token_width,
        num_parts=int(num_parts),
        memory_bytes=int(memory_bytes),
        num_threads=num_threads,
        accelerate=accelerate == "1",
        progress=_Printed(),
    )


class _Printed:
    """Prints how much is done, now and then."""

    def __init__(self) -> None:
        self._printed = 0.0

    def __call__(self, done: int, total: int) -> None:
        if done == total or monotonic() - self._printed > _SECONDS_BETWEEN_LINES:
            self._printed = monotonic()
            print(done, flush=True)


def _accelerate(directory: str, number: int, token_width: int, num_threads: int) -> None:
    """Builds the sidecars, and prints again and again how many ranks are done."""
    accelerate_shard(
        directory,
        token_width=token_width,
        number=number,
        num_threads=num_threads,
        progress=lambda done, total: print(done, flush=True),
    )


def _open(directory: str, number: int, token_width: int, num_threads: int) -> None:
    """Opens the shard, and prints whether it has sidecars."""
    index = ShardIndex.open(directory, token_width=token_width, pool=ThreadPool(num_threads), number=number)
    print("accelerated" if index.is_accelerated else "plain")


def _verify(
    directory: str, number: int, token_width: int, num_threads: int, share: str, seed: str, max_problems: str
) -> None:
    """Inspects, prints again and again how much of it is done, and last a line of JSON: what was found."""
    index = ShardIndex.open(directory, token_width=token_width, pool=ThreadPool(num_threads), number=number)
    problems, looked_at = index.inspect(
        share=float(share),
        seed=int(seed),
        max_problems=int(max_problems),
        progress=lambda done, total: print(done, total, flush=True),
    )
    counts = {"num_tokens": index.num_tokens, "num_documents": index.num_documents}
    print(json.dumps(counts | {"problems": problems, "looked_at": looked_at}))


_TASKS: dict[str, Callable[..., None]] = {
    "sort": _sort,
    "merge": _merge,
    "accelerate": _accelerate,
    "open": _open,
    "verify": _verify,
}


def _end_with_parent() -> None:
    # Standard input is a pipe that the parent never writes to: it ends when the parent does, however that happens.
    # Read below Python's buffering: its lock, held here when the interpreter ends, would abort the process.
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
