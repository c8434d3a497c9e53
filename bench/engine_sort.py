"""Sorts a text with our engine, in one part or several, each step in a process of its own; and says what it took."""

import json
import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.process_tree import run_watched
from index_format.layout import SIDECARS, TABLE
from indexing.sorting import SortPlan

# Seconds are those of the call, without the start of Python. The peak is the kernel's record, of this process alone.
_SCRIPT = """
import json, sys, time
import suffix_engine
step, folder, width, parts, threads, number = sys.argv[1:3] + [int(text) for text in sys.argv[3:]]
options = dict(token_width=width, num_parts=parts, num_threads=threads, accelerate=True)
began = time.perf_counter()
if step == "sort":
    suffix_engine.sort_part(folder, part=number, **options)
else:
    suffix_engine.merge_parts(folder, memory_bytes=number, **options)
seconds = time.perf_counter() - began
[peak] = [line for line in open("/proc/self/status") if line.startswith("VmHWM:")]
print(json.dumps({"seconds": seconds, "peak_bytes": int(peak.split()[1]) * 1024}))
"""
# The engine's own processes are few; looking for others more often would take a share of a core.
_INTERVAL_S = 0.2


@dataclass(frozen=True, slots=True)
class Step:
    """One call of the engine: its seconds, and the most memory that its process had."""

    seconds: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class EngineSort:
    """A text that was sorted with its sidecars.

    Attributes:
        sorts: Each part.
        merge: The merge with the sidecars; None of one part, which becomes the table with them at once.
        temporary_bytes: Disk that the runs took before they were merged.
    """

    sorts: tuple[Step, ...]
    merge: Step | None
    temporary_bytes: int

    @property
    def seconds(self) -> float:
        """Sort, merge and sidecars."""
        return sum(step.seconds for step in self.steps)

    @property
    def peak_bytes(self) -> int:
        """The most that any of the processes had."""
        return max(step.peak_bytes for step in self.steps)

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every call, in order."""
        return self.sorts if self.merge is None else (*self.sorts, self.merge)


def sort_with_engine(folder: Path, width: int, plan: SortPlan, merge_bytes: int) -> EngineSort:
    """Sorts the text in ``folder`` as ``plan`` says; the table and the sidecars that are there are replaced.

    ``merge_bytes`` is what merging may take: the text is held in memory if it fits.
    """
    remove_sorted(folder)
    sorts = tuple(_step("sort", folder, width, plan, part) for part in range(plan.parts))
    if plan.parts == 1:
        return EngineSort(sorts, None, 0)
    temporary_bytes = sum(run.stat().st_size for run in _runs(folder))
    return EngineSort(sorts, _step("merge", folder, width, plan, merge_bytes), temporary_bytes)


def median_of(passes: Sequence[EngineSort]) -> EngineSort:
    """Returns each step with the median of its seconds and the highest of its peaks."""

    def of(steps: Sequence[Step]) -> Step:
        return Step(statistics.median(step.seconds for step in steps), max(step.peak_bytes for step in steps))

    sorts = tuple(of(steps) for steps in zip(*(one.sorts for one in passes), strict=True))
    merges = [one.merge for one in passes if one.merge is not None]
    return EngineSort(sorts, of(merges) if merges else None, max(one.temporary_bytes for one in passes))


def remove_sorted(folder: Path) -> None:
    """Removes everything that sorting makes."""
    for path in (folder / TABLE, *(folder / name for name in SIDECARS), *_runs(folder)):
        path.unlink(missing_ok=True)


def _runs(folder: Path) -> Sequence[Path]:
    return sorted(folder.glob("sorted_part.*"))


def _step(name: str, folder: Path, width: int, plan: SortPlan, number: int) -> Step:
    arguments = (str(folder), str(width), str(plan.parts), str(plan.threads), str(number))
    command = [sys.executable, "-c", _SCRIPT, name, *arguments]
    finished = run_watched(command, os.environ, folder / "log.txt", interval_s=_INTERVAL_S)
    return Step(**json.loads(finished.output))
