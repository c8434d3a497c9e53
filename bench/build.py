"""Sorting with sidecars, in one part and four, plain and on duplicates, against infini-gram; and a build's memory."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from bench.corpus import KEPT, SHARED_DATA
from bench.engine_sort import EngineSort, Step, median_of, sort_with_engine
from bench.infini_gram_indexer import TimedSort, sort_theirs
from bench.memory_kept import MemoryUse, memory_used, same_bytes
from bench.options import BenchOptions
from bench.process_tree import TimeLimitError
from bench.repeated_text import Tokens, repeated_text
from bench.report import Report
from bench.sort import compare_tables, first_shard
from bench.warm_files import read_through
from index_format.layout import OFFSET, SIDECARS, TABLE, TOKENIZED
from index_format.manifest import ShardManifest
from indexing.sorting import plan_sort
from indexing.token_types import TOKEN_TYPES

_PARTS = 4
_COPIES = 20
_EDITED = 3
_SEED = 1
_MOST_PASSES = 3
# infini-gram may take so many times its seconds on the plain text for as many tokens of duplicates.
_MOST_TIMES = 10
_LEAST_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Text:
    """One text, sorted by both.

    Attributes:
        name: What it is.
        num_tokens: Its positions.
        whole: Ours within infini-gram's memory, in as few parts as that allows.
        parts: Ours in four parts.
        theirs_s: Seconds of infini-gram; those it was given if it was not done by then.
        is_bound: Whether it was not done.
    """

    name: str
    num_tokens: int
    whole: EngineSort
    parts: EngineSort
    theirs_s: float
    is_bound: bool = False


def run(options: BenchOptions, console: Console) -> Report:
    """Sorts the first shard of the index and texts made of it; builds the shared corpus if no index was named."""
    source = first_shard(options, console)
    width = ShardManifest.load(source).token_width
    bench = _Bench(width, min(_MOST_PASSES, options.passes), console)
    with tempfile.TemporaryDirectory(dir=KEPT, prefix="build-") as scratch:
        folder = Path(scratch)
        with console.status("sorting with infini-gram"):
            read_through(source / TOKENIZED)
            theirs = sort_theirs(source, folder / "theirs", width, bench.cores)
        bench.memory_bytes = theirs.peak_bytes
        texts = [bench.plain(source, folder / "plain", theirs)]
        from_disk = bench.merged_from_disk(folder / "plain")
        limit_s = max(_LEAST_LIMIT_S, _MOST_TIMES * theirs.seconds)
        tokens = np.fromfile(source / TOKENIZED, dtype=TOKEN_TYPES[width])
        for name, edited in ((f"{_COPIES} copies", 0), (f"{_COPIES} near copies", _EDITED)):
            made = repeated_text(tokens, _COPIES, edited=edited, seed=_SEED)
            texts.append(bench.repeated(name, made, folder / "repeated", limit_s))
        with console.status("watching the memory"):
            used = memory_used(folder / "plain", width, bench.cores, SHARED_DATA if options.index is None else None)
    if bench.most_bytes > theirs.peak_bytes:
        bench.failures.append(f"ours took {bench.most_bytes:,} bytes, infini-gram {theirs.peak_bytes:,}")
    return _report(texts, theirs, from_disk, used, bench)


class _Bench:
    """What every measurement shares, and what was found to be wrong."""

    def __init__(self, width: int, passes: int, console: Console) -> None:
        self.width = width
        self.cores = len(os.sched_getaffinity(0))
        self.memory_bytes = 0
        self.most_bytes = 0
        self.failures: list[str] = []
        self._passes = passes
        self._console = console

    def plain(self, source: Path, folder: Path, theirs: TimedSort) -> Text:
        """Sorts the text as it is; the tables must be infini-gram's."""
        _hold(np.fromfile(source / TOKENIZED, dtype=TOKEN_TYPES[self.width]), folder)
        whole, parts = self._both("plain", folder)
        self.failures += compare_tables(folder / TABLE, theirs.table, folder / TOKENIZED, self.width)
        theirs.table.unlink()
        return Text("plain", _num_tokens(folder, self.width), whole, parts, theirs.seconds)

    def repeated(self, name: str, tokens: Tokens, folder: Path, limit_s: float) -> Text:
        """Sorts a text of duplicates; infini-gram has ``limit_s`` for it."""
        _hold(tokens, folder)
        whole, parts = self._both(name, folder)
        theirs_s, is_bound = limit_s, False
        with self._console.status(f"sorting {name} with infini-gram, for {limit_s:.0f} s at most"):
            try:
                theirs_s = sort_theirs(
                    folder, folder.with_name("theirs"), self.width, self.cores, limit_s=limit_s
                ).seconds
            except TimeLimitError:
                is_bound = True
        return Text(name, len(tokens), whole, parts, theirs_s, is_bound)

    def merged_from_disk(self, folder: Path) -> EngineSort:
        """Sorts in four parts, and merges with no memory for the text."""
        with self._console.status("merging with the text on disk"):
            plan = plan_sort(_num_tokens(folder, self.width), self.width, self.memory_bytes, self.cores, _PARTS)
            return sort_with_engine(folder, self.width, plan, 0)

    def _both(self, name: str, folder: Path) -> tuple[EngineSort, EngineSort]:
        """Sorts in as few parts as the memory allows, and in four; the files must be the same."""
        done = []
        for parts in (None, _PARTS):
            plan = plan_sort(
                _num_tokens(folder, self.width), self.width, self.memory_bytes, self.cores, parts, folder=folder
            )
            passes = []
            for number in range(self._passes):
                with self._console.status(f"sorting {name} in {plan.parts} parts, pass {number + 1}"):
                    passes.append(sort_with_engine(folder, self.width, plan, self.memory_bytes))
            self.most_bytes = max(self.most_bytes, *(one.peak_bytes for one in passes))
            done.append(median_of(passes))
            for file in (TABLE, *SIDECARS):
                kept = folder.with_name(f"kept-{file}")
                if parts is None:
                    kept.unlink(missing_ok=True)
                    kept.hardlink_to(folder / file)
                elif not same_bytes(kept, folder / file):
                    self.failures.append(f"{name}: {file} of {_PARTS} parts is not that of {len(done[0].sorts)}")
        whole, in_parts = done
        return whole, in_parts


def figures(
    texts: Sequence[Text], theirs_peak_bytes: int, from_disk: EngineSort, used: Sequence[MemoryUse]
) -> dict[str, float]:
    """Returns the published figures; ``texts`` are the plain one, the copies and the near copies."""
    plain, copies, near = texts
    return {
        "build_ratio": plain.theirs_s / plain.whole.seconds,
        "build_parts_ratio": plain.theirs_s / plain.parts.seconds,
        "duplicates_build_ratio": copies.theirs_s / copies.whole.seconds,
        "duplicates_parts_ratio": copies.theirs_s / copies.parts.seconds,
        "duplicates_slowdown": slowdown(copies, plain),
        "near_duplicates_slowdown": slowdown(near, plain),
        "merge_rate_ratio": plain.whole.seconds / _merge(plain.parts).seconds,
        "merge_from_disk_rate_ratio": plain.whole.seconds / _merge(from_disk).seconds,
        "memory_overshoot": max(0.0, *(one.peak_bytes / one.budget_bytes - 1 for one in used)),
        "build_seconds": plain.whole.seconds,
        "build_parts_seconds": plain.parts.seconds,
        "build_peak_mib": plain.whole.peak_bytes / 2**20,
        "build_parts_peak_mib": plain.parts.peak_bytes / 2**20,
        "build_their_peak_mib": theirs_peak_bytes / 2**20,
        "temporary_bytes_per_token": plain.parts.temporary_bytes / plain.num_tokens,
    }


def slowdown(text: Text, plain: Text) -> float:
    """Returns how many times the seconds a token are, the worse of one part and of four."""
    per_token = plain.num_tokens / text.num_tokens
    return per_token * max(
        text.whole.seconds / plain.whole.seconds,
        text.parts.seconds / plain.parts.seconds,
    )


def _report(
    texts: Sequence[Text], theirs: TimedSort, from_disk: EngineSort, used: Sequence[MemoryUse], bench: _Bench
) -> Report:
    plain = texts[0]
    rows = [row for text in texts for row in _rows(text)]
    rows += [_row("plain: the same, text on disk", from_disk.seconds, plain.num_tokens, from_disk)]
    rows += [one.row() for one in used]
    bounds = [text.name for text in texts if text.is_bound]
    return Report(
        title=f"sort, merge and sidecars of {plain.num_tokens:,} tokens of {bench.width} bytes on {bench.cores} cores, "
        "text in the page cache",
        columns=("", "seconds", "tokens a second", "merge seconds", "peak MiB", "of MiB", "temporary MiB"),
        rows=rows,
        figures=figures(texts, theirs.peak_bytes, from_disk, used),
        failures=bench.failures + [failure for one in used for failure in one.failures],
        notes=(
            "ratio = theirs / ours, with sidecars; each step of ours in a process of its own, median of the passes, "
            "without the start of Python",
            f"ours may take infini-gram's peak, {theirs.peak_bytes >> 20:,} MiB, summed over its processes",
            f"copies: every document {_COPIES} times; near copies: each with {_EDITED} random tokens at both ends",
            *(f"infini-gram was not done with {name} in its time: its ratio is at least that" for name in bounds),
            *(note for one in used for note in one.notes),
        ),
    )


def _rows(text: Text) -> list[list[str]]:
    sign = "> " if text.is_bound else ""
    theirs = [f"{text.name}: infini-gram 2.6.0", f"{sign}{text.theirs_s:.2f}", "", "", "", "", ""]
    if not text.is_bound:
        theirs[2] = f"{text.num_tokens / text.theirs_s:,.0f}"
    return [
        theirs,
        *(
            _row(f"{text.name}: headwater in {len(one.sorts)}", one.seconds, text.num_tokens, one)
            for one in (text.whole, text.parts)
        ),
    ]


def _row(name: str, seconds: float, num_tokens: int, done: EngineSort) -> list[str]:
    merge = "" if done.merge is None else f"{done.merge.seconds:.2f}"
    temporary = f"{done.temporary_bytes / 2**20:,.0f}"
    peak = f"{done.peak_bytes / 2**20:,.0f}"
    return [name, f"{seconds:.2f}", f"{num_tokens / seconds:,.0f}", merge, peak, "", temporary]


def _merge(done: EngineSort) -> Step:
    assert done.merge is not None, "several parts are merged"
    return done.merge


def _hold(tokens: Tokens, folder: Path) -> None:
    """Writes a text, in place of another that was there."""
    folder.mkdir(exist_ok=True)
    tokens.tofile(folder / TOKENIZED)
    starts = np.flatnonzero(tokens == np.iinfo(tokens.dtype).max).astype("<u8")
    (starts * np.uint64(tokens.itemsize)).tofile(folder / OFFSET)


def _num_tokens(folder: Path, width: int) -> int:
    return (folder / TOKENIZED).stat().st_size // width
