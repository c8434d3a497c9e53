"""Suffix sorting: ours against infini-gram's make-part, merge and concat, on the same tokens and cores."""

import os
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console

from bench.corpus import KEPT, inputs
from bench.infini_gram_indexer import TimedSort, linked_text, sort_theirs
from bench.options import BenchOptions
from bench.process_tree import run_watched
from bench.report import Report
from bench.warm_files import read_through
from index_format.layout import TABLE, TOKENIZED, shard_folder
from index_format.manifest import ShardManifest

_NUMPY_TYPES = {1: np.uint8, 2: np.uint16, 4: np.uint32}
# infini-gram compares at most this many bytes, so suffixes that agree on more may be in any order in its table.
_COMPARED_BYTES = 100_000
_OUR_SCRIPT = """
import sys, time
import suffix_engine
began = time.perf_counter()
suffix_engine.sort_shard(sys.argv[1], token_width=int(sys.argv[2]), num_threads=int(sys.argv[3]))
print(time.perf_counter() - began)
"""


def run(options: BenchOptions, console: Console) -> Report:
    """Sorts the first shard of the index with both, each in a process of its own, and compares the tables."""
    directory = first_shard(options, console)
    manifest = ShardManifest.load(directory)
    width, cores = manifest.token_width, len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(dir=KEPT, prefix="sort-") as scratch:
        read_through(directory / TOKENIZED)
        ours = []
        for number in range(min(3, options.passes)):
            with console.status(f"sorting with ours, pass {number + 1}"):
                ours.append(_sort_ours(directory, Path(scratch) / "ours", width, cores))
        with console.status("sorting with infini-gram"):
            theirs = sort_theirs(directory, Path(scratch) / "theirs", width, cores)
        failures = compare_tables(ours[-1].table, theirs.table, directory / TOKENIZED, width)
    seconds = statistics.median(one.seconds for one in ours)
    peak_bytes = max(one.peak_bytes for one in ours)
    return Report(
        title=f"sorting {manifest.num_tokens:,} tokens of {width} bytes on {cores} cores, text in the page cache",
        columns=("", "seconds", "peak memory, MiB", "tokens a second"),
        rows=[
            _row(f"headwater (median of {len(ours)})", seconds, peak_bytes, manifest.num_tokens),
            _row("infini-gram 2.6.0 (1 run)", theirs.seconds, theirs.peak_bytes, manifest.num_tokens),
        ],
        figures={
            "sort_ratio": theirs.seconds / seconds,
            "sort_peak_ratio": theirs.peak_bytes / peak_bytes,
            "sort_seconds": seconds,
            "sort_peak_mib": peak_bytes / 2**20,
        },
        failures=failures,
        notes=(
            "ratio = theirs / ours; seconds of the sort itself, start of Python not counted",
            "peak = resident memory summed over the process tree, polled every 10 ms; ours flushes its table to disk",
        ),
    )


def first_shard(options: BenchOptions, console: Console) -> Path:
    """Returns the folder of the first shard of the caller's index, or of the shared corpus over one."""
    if options.index is not None:
        return options.index / shard_folder(0)
    return inputs(None, None, shards=(1,), console=console).directories[0] / shard_folder(0)


def _row(name: str, seconds: float, peak_bytes: int, num_tokens: int) -> list[str]:
    return [name, f"{seconds:.2f}", f"{peak_bytes / 2**20:,.0f}", f"{num_tokens / seconds:,.0f}"]


def _sort_ours(source: Path, folder: Path, width: int, cores: int) -> TimedSort:
    linked_text(source, folder)
    command = [sys.executable, "-c", _OUR_SCRIPT, str(folder), str(width), str(cores)]
    finished = run_watched(command, os.environ, folder / "log.txt")
    return TimedSort(float(finished.output), finished.peak_bytes, folder / TABLE)


def compare_tables(ours: Path, theirs: Path, text: Path, width: int) -> list[str]:
    """Returns what is wrong: sizes that differ, positions that only one table has, ranks that differ and are no ties.

    Ties are suffixes that are equal up to a separator, or for 100,000 bytes: each sorter has an order of its own there.
    """
    if ours.stat().st_size != theirs.stat().st_size:
        return [f"our table has {ours.stat().st_size} bytes, theirs {theirs.stat().st_size}"]
    num_tokens = text.stat().st_size // width
    mine, other = (_positions(path, num_tokens, width) for path in (ours, theirs))
    differing = np.flatnonzero(mine != other)
    mine, other = mine[differing], other[differing]
    if not np.array_equal(np.sort(mine), np.sort(other)):
        return ["the tables do not hold the same positions"]
    tokens = np.memmap(text, dtype=_NUMPY_TYPES[width], mode="r")
    wrong = differing[_are_told_apart(tokens, mine, other, _COMPARED_BYTES // width)]
    return [f"rank {rank} differs, and so do the suffixes" for rank in wrong[:10]]


def _positions(path: Path, num_tokens: int, width: int) -> npt.NDArray[np.int64]:
    entry_bytes = path.stat().st_size // num_tokens
    packed = np.fromfile(path, dtype=np.uint8).reshape(num_tokens, entry_bytes)
    wide = np.zeros((num_tokens, 8), dtype=np.uint8)
    wide[:, :entry_bytes] = packed
    return wide.view(np.int64).ravel() // width


def _are_told_apart(
    tokens: npt.NDArray[np.unsignedinteger], ones: npt.NDArray[np.int64], others: npt.NDArray[np.int64], most: int
) -> npt.NDArray[np.bool_]:
    """Returns of each pair of positions whether their suffixes differ within ``most`` tokens and up to a separator."""
    differ = np.zeros(len(ones), dtype=np.bool_)
    equal = np.arange(len(ones))
    for depth in range(most):
        reaches_end = np.maximum(ones[equal], others[equal]) + depth >= len(tokens)
        differ[equal[reaches_end]] = True
        equal = equal[~reaches_end]
        one, other = tokens[ones[equal] + depth], tokens[others[equal] + depth]
        differ[equal[one != other]] = True
        equal = equal[(one == other) & (one != np.iinfo(tokens.dtype).max)]
        if len(equal) == 0:
            break
    return differ
