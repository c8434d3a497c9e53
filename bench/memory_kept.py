"""Whether sorting and whole builds keep to their memory: every process is watched, and the index compared."""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.engine_sort import sort_with_engine
from bench.process_tree import WatchedProcess, run_watched
from index_format.layout import CORE_FILES, SIDECARS, TOKENIZED, shard_folder
from indexing.errors import MemoryBudgetError
from indexing.sorting import plan_sort

_INTERVAL_S = 0.05
_SORT_BUDGETS = (128 << 20, 256 << 20)
_BUILD_BUDGET = 512 << 20
_BUILD_OPTIONS = ("--memory", "512MiB", "--parts", "4", "--workers")
# Ray's own: they hold none of our text, and their size is Ray's affair. Its workers run our tasks, so they count.
_RAYS_OWN = ("/raylet/raylet", "/gcs_server", "/log_monitor.py", "/monitor.py", "/agent.py", "/agent/main.py")
_COMMAND = "from headwater.cli import main; main()"


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """What a piece of work took of memory.

    Attributes:
        name: The work.
        seconds: How long it took.
        peak_bytes: The most that any one of its processes had.
        budget_bytes: What each might have.
        failures: What is wrong with its result.
        notes: Which process it was, and which were left out.
    """

    name: str
    seconds: float
    peak_bytes: int
    budget_bytes: int
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def row(self) -> list[str]:
        """Returns the cells of the table of the build bench."""
        peak, budget = (f"{size / 2**20:,.0f}" for size in (self.peak_bytes, self.budget_bytes))
        return [self.name, f"{self.seconds:.2f}", "", "", peak, budget, ""]


def memory_used(text: Path, width: int, cores: int, shared_data: Path | None) -> list[MemoryUse]:
    """Returns what sorting the text in the folder ``text`` takes, and building the corpus of ``shared_data`` if given.

    Raises:
        BenchError: a build failed.
    """
    used = list(_sorts(text, width, cores))
    if shared_data is not None:
        corpus, tokenizer = shared_data / "corpus.jsonl.zst", shared_data / "tokenizers" / "llama-2.json"
        used += builds(corpus, tokenizer, text.parent)
    return used


def _sorts(text: Path, width: int, cores: int) -> Iterator[MemoryUse]:
    num_tokens = (text / TOKENIZED).stat().st_size // width
    for budget in _SORT_BUDGETS:
        name = f"sorting in {budget >> 20} MiB"
        try:
            plan = plan_sort(num_tokens, width, budget, cores, None, folder=text)
        except MemoryBudgetError as error:
            yield MemoryUse(f"{name}: refused", 0, 0, budget, notes=(str(error),))
            continue
        done = sort_with_engine(text, width, plan, budget)
        yield MemoryUse(f"{name}: {plan.parts} parts", done.seconds, done.peak_bytes, budget)


def builds(corpus: Path, tokenizer: Path, scratch: Path) -> list[MemoryUse]:
    """Builds in four parts in 512 MiB, in one process and with two workers: the index is that of a build in memory."""
    in_memory = scratch / "in_memory"
    _build(corpus, tokenizer, in_memory, ["--workers", "1"])
    return [_small_build(corpus, tokenizer, scratch / f"workers_{workers}", in_memory, workers) for workers in (1, 2)]


def _small_build(corpus: Path, tokenizer: Path, folder: Path, in_memory: Path, workers: int) -> MemoryUse:
    seconds, processes = _build(corpus, tokenizer, folder, [*_BUILD_OPTIONS, str(workers)])
    ours = [process for process in processes if not is_rays_own(process.command)]
    largest = max(ours, key=lambda process: process.peak_bytes)
    name = f"index build --workers {workers}"
    notes = [f"{name}: {len(ours)} processes; the largest: {_short(largest)}"]
    if left_out := [_short(process) for process in processes if is_rays_own(process.command)]:
        notes.append(
            f"{name}: Ray's own processes, which hold nothing of the corpus, do not count: {', '.join(left_out)}"
        )
    failures = tuple(f"{name}: {file} is not that of a build in memory" for file in differing(in_memory, folder))
    return MemoryUse(name, seconds, largest.peak_bytes, _BUILD_BUDGET, failures, tuple(notes))


def _build(
    corpus: Path, tokenizer: Path, folder: Path, options: Sequence[str]
) -> tuple[float, tuple[WatchedProcess, ...]]:
    """Builds by the command that a user would type; Python's start, and Ray's, are in its seconds."""
    arguments = ["index", "build", str(corpus), "--out", str(folder), "--tokenizer", str(tokenizer), *options]
    command = [sys.executable, "-c", _COMMAND, *arguments]
    finished = run_watched(command, os.environ, folder.with_suffix(".txt"), interval_s=_INTERVAL_S)
    return finished.seconds, finished.processes


def is_rays_own(command: str) -> bool:
    """Says whether a process of this command line is one of Ray's daemons, and none that runs our tasks."""
    return any(part in command for part in _RAYS_OWN)


def _short(process: WatchedProcess) -> str:
    words = [word for word in process.command.split() if not word.startswith("-")]
    # Of "python script.py", "python -c program" and Ray's long paths the last part of the path says most.
    scripts = [word for word in words if "/" in word and "bin/python" not in word] or words
    return f"{'/'.join(scripts[0].split('/')[-2:])} {process.peak_bytes >> 20} MiB"


def differing(one: Path, other: Path) -> list[str]:
    """Returns the files of the first shard, sidecars included, that are not the same bytes in both indexes."""
    folders = (one / shard_folder(0), other / shard_folder(0))
    return [name for name in (*CORE_FILES, *SIDECARS) if not same_bytes(*(folder / name for folder in folders))]


def same_bytes(one: Path, other: Path) -> bool:
    """Says whether two files are equal."""
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as first, other.open("rb") as second:
        while block := first.read(1 << 22):
            if block != second.read(len(block)):
                return False
    return True
