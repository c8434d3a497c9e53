"""Whether sorting stays as fast when the text grows: tokens a second at each size, in one memory budget."""

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from bench.corpus import KEPT, indexed_corpus
from bench.engine_sort import EngineSort, median_of, sort_with_engine
from bench.errors import BenchError
from bench.growing_text import GrowingText
from bench.neighbours import Counts, lcp_counts, mean_lcp, share_of
from bench.options import BenchOptions
from bench.report import Report
from bench.warm_files import read_through
from index_format.layout import TOKENIZED, shard_folder
from indexing.disk_needs import sidecar_bytes, table_bytes
from indexing.sorting import SortPlan, plan_sort

_WIDTHS = (2, 4)
_SEED = 1
# A process may be so far past its budget, as a share of it; the figure says how far it was.
_MOST_OVERSHOOT = 0.2
# Smaller ones are sorted several times: they are done so soon that chance counts.
_TOKENS_OF_ONE_PASS = 200_000_000


@dataclass(frozen=True, slots=True)
class Grown:
    """One text: its positions, how it was sorted, and how alike its suffixes are."""

    num_tokens: int
    width: int
    plan: SortPlan
    sort: EngineSort
    neighbours: Counts

    @property
    def rate(self) -> float:
        """Tokens a second of sort, merge and sidecars."""
        return self.num_tokens / self.sort.seconds


def run(options: BenchOptions, console: Console) -> Report:
    """Makes texts of every size and width from the shared corpus, sorts each with sidecars, and removes it."""
    with console.status("reading the shared corpus"):
        corpus = indexed_corpus(1, console) / shard_folder(0) / TOKENIZED
        source = GrowingText(np.fromfile(corpus, dtype=np.uint16))
    cores = len(os.sched_getaffinity(0))
    grown = []
    with tempfile.TemporaryDirectory(dir=KEPT, prefix="growth-") as scratch:
        for width in _WIDTHS:
            for num_tokens in options.sizes:
                plan = plan_sort(num_tokens, width, options.memory_bytes, cores, None)
                _require_disk(num_tokens, width, plan, Path(scratch))
                with console.status(f"{num_tokens:,} tokens of {width} bytes, in {plan.parts} parts"):
                    grown.append(_grown(source, num_tokens, width, options, cores, Path(scratch)))
    figures: dict[str, float] = {"rate_loss": rate_loss(grown)}
    figures["growth_memory_overshoot"] = max(0.0, *(one.sort.peak_bytes / options.memory_bytes - 1 for one in grown))
    figures |= {f"rate_u{8 * one.width}_{one.num_tokens // 10**6}m": one.rate for one in grown}
    return Report(
        title=f"sort, merge and sidecars of texts that grow, {cores} cores, {options.memory_bytes / 2**30:.1f} GiB",
        columns=_COLUMNS,
        rows=[_row(one) for one in grown],
        figures=figures,
        failures=_failures(grown, options.memory_bytes),
        notes=(
            "rate_loss: what the slowest size of a width loses against the first, the worse of both widths",
            "texts are made of the shared corpus (bench/growing_text.py): their LCPs go on as those of real text do",
            f"under {_TOKENS_OF_ONE_PASS:,} tokens the median of {_passes(0, options)} passes, else one",
        ),
    )


def _grown(source: GrowingText, num_tokens: int, width: int, options: BenchOptions, cores: int, scratch: Path) -> Grown:
    folder = scratch / "text"
    folder.mkdir()
    try:
        source.write(folder / TOKENIZED, num_tokens, width, _SEED)
        plan = plan_sort(num_tokens, width, options.memory_bytes, cores, None, folder=folder)
        read_through(folder / TOKENIZED)
        # What is dirty of it would be written while the first part is sorted.
        os.sync()
        done = [
            sort_with_engine(folder, width, plan, options.memory_bytes) for _ in range(_passes(num_tokens, options))
        ]
        return Grown(num_tokens, width, plan, median_of(done), lcp_counts(folder, width))
    finally:
        shutil.rmtree(folder)


def _passes(num_tokens: int, options: BenchOptions) -> int:
    return min(3, options.passes) if num_tokens < _TOKENS_OF_ONE_PASS else 1


def rate_loss(grown: Sequence[Grown]) -> float:
    """Returns the largest share of the first size's rate that another size of its width lacks; 0 if none does."""
    rates: Mapping[int, list[float]] = {width: [one.rate for one in grown if one.width == width] for width in _WIDTHS}
    return max(1 - min(of_width) / of_width[0] for of_width in rates.values())


def _failures(grown: Sequence[Grown], memory_bytes: int) -> list[str]:
    failures = []
    for one in grown:
        name = f"{one.num_tokens:,} tokens of {one.width} bytes"
        if one.neighbours.sum() != one.num_tokens:
            failures.append(f"{name}: the fan-out has {one.neighbours.sum():,} ranks")
        if one.sort.peak_bytes > memory_bytes * (1 + _MOST_OVERSHOOT):
            failures.append(f"{name}: {one.sort.peak_bytes:,} bytes of memory at most, expected {memory_bytes:,}")
    return failures


def _require_disk(num_tokens: int, width: int, plan: SortPlan, folder: Path) -> None:
    needed = num_tokens * width + plan.temporary_bytes
    needed += table_bytes(num_tokens, width) + sidecar_bytes(num_tokens, width)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise BenchError(
            f"{folder}: {free / 1e9:.1f} GB free, {num_tokens:,} tokens of {width} bytes need {needed / 1e9:.1f} GB; "
            "leave out the largest size with --sizes"
        )


_COLUMNS = (
    "tokens",
    "width",
    "parts",
    "tokens a second",
    "sort s",
    "merge s",
    "peak MiB",
    "temporary MiB",
    "mean LCP",
    "LCP >= 16",
    "LCP >= 50",
)


def _row(one: Grown) -> list[str]:
    merge = "" if one.sort.merge is None else f"{one.sort.merge.seconds:.2f}"
    return [
        f"{one.num_tokens:,}",
        str(one.width),
        str(one.plan.parts),
        f"{one.rate:,.0f}",
        f"{sum(step.seconds for step in one.sort.sorts):.2f}",
        merge,
        f"{one.sort.peak_bytes / 2**20:,.0f}",
        f"{one.sort.temporary_bytes / 2**20:,.0f}",
        f"{mean_lcp(one.neighbours):.1f}",
        f"{share_of(one.neighbours, 16):.1%}",
        f"{share_of(one.neighbours, 50):.1%}",
    ]
