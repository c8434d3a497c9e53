"""Sorts shards one after another, each in a process that ends with the build."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from indexing.errors import SortError
from indexing.progress import Stages
from indexing.writing import WrittenShard

_SCRIPT = Path(__file__).with_name("sort_process.py")


def sort_shards(shards: Sequence[WrittenShard], width: int, num_threads: int, stages: Stages) -> None:
    """Writes the table of every shard, one after another: each takes all cores and as much memory as it needs.

    Raises:
        SortError: a sort failed, or its process was killed.
    """
    with stages.stage("sort", sum(shard.num_tokens for shard in shards), "tokens") as progress:
        for shard in shards:
            sort_in_child(shard.directory, token_width=width, num_threads=num_threads)
            progress.advanced(shard.num_tokens)


def sort_in_child(directory: Path, *, token_width: int, num_threads: int) -> None:
    """Writes ``table.0`` of the shard in ``directory``; see `suffix_engine.sort_shard`.

    Raises:
        SortError: the sort failed, or its process was killed.
    """
    # -P keeps this folder, with its modules' common names, off the child's import path.
    command = [sys.executable, "-P", str(_SCRIPT), str(directory), str(token_width), str(num_threads)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(  # noqa: S603 - our own module, arguments as a list
        command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as child:
        try:
            # Waits for the end of standard error, and leaves standard input open: it tells the child that we live.
            assert child.stderr is not None
            message = child.stderr.read().decode(errors="replace").strip()
            code = child.wait()
        finally:
            child.kill()
    if code < 0:
        raise SortError(
            f"{directory}: the sorting process was killed by {_signal_name(-code)}"
            + ("; did the machine run out of memory? Use more shards" if -code == signal.SIGKILL else f" ({message})")
        )
    if code != 0:
        raise SortError(f"{directory}: the shard could not be sorted ({message})")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
