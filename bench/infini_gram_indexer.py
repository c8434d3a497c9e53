"""Sorts a text with infini-gram's own indexer: make-part, merge and concat."""

import os
import re
import resource
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.process_tree import run_watched
from index_format.layout import OFFSET, TABLE, TOKENIZED

_TOKEN_TYPES = {1: "u8", 2: "u16", 4: "u32"}
_SECONDS = re.compile(r"Step 2 \(build_sa\): Done\. Took ([0-9.]+) seconds")


@dataclass(frozen=True, slots=True)
class TimedSort:
    """A text that was sorted: seconds of the sort itself, peak of the memory of all its processes, and the table."""

    seconds: float
    peak_bytes: int
    table: Path


def sort_theirs(source: Path, folder: Path, width: int, cores: int, *, limit_s: float | None = None) -> TimedSort:
    """Sorts the text of ``source`` into ``folder``, which is made anew. It skips tokenizing, as the text is there.

    Raises:
        BenchError: the indexer failed.
        TimeLimitError: it was not done within ``limit_s``.
    """
    linked_text(source, folder)
    open_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    command = [sys.executable, "-m", "infini_gram.indexing", "--cpus", str(cores), "--mem", "8"]
    command += ["--token_dtype", _TOKEN_TYPES[width], "--ulimit", str(open_files)]
    for name in ("data_dir", "save_dir", "temp_dir"):
        command += [f"--{name}", str(folder)]
    finished = run_watched(command, os.environ, folder / "log.txt", limit_s=limit_s)
    return TimedSort(_seconds_in(finished.output), finished.peak_bytes, folder / TABLE)


def linked_text(source: Path, folder: Path) -> Path:
    """Returns ``folder``, made anew, with links to the text of ``source`` and its document starts."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in (TOKENIZED, OFFSET):
        (folder / name).hardlink_to(source / name)
    return folder


def _seconds_in(output: str) -> float:
    found = _SECONDS.search(output)
    if found is None:
        raise BenchError(f"infini-gram's indexer did not say how long it took: {output[-500:]}")
    return float(found[1])
