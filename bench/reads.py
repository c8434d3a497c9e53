"""Random reads against the size of the corpus: ours stay the same where those of a binary search grow with log2(N)."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from rich.console import Console

from bench.cold_search import ColdSearches, cold_searches, mean_reads
from bench.conversations import read_conversations
from bench.corpus import inputs
from bench.options import BenchOptions
from bench.report import Report
from bench.sizes import tenfold_corpus, tenth_of_corpus
from index_format.manifest import IndexManifest


@dataclass(frozen=True, slots=True)
class SizeReads:
    """Means over the conversations, on one index.

    Attributes:
        name: Of the index.
        num_tokens: In it.
        starts: Suffixes that are searched for in a conversation.
        counted: Random reads a suffix and shard, as our engine counts them, cached or not.
        ours: Reads that the disk completed for our cold search of a conversation.
        theirs: The same for infini-gram's.
        disturbed: Requests during which other processes read from the disk.
    """

    name: str
    num_tokens: int
    starts: float
    counted: float
    ours: float
    theirs: float
    disturbed: int

    @property
    def ratio(self) -> float:
        """How many times fewer reads ours took."""
        return self.theirs / self.ours


def run(options: BenchOptions, console: Console) -> Report:
    """Counts, on each size, the reads of every conversation's search by both engines."""
    given = inputs(options.index, options.conversations, shards=(1,), console=console)
    conversations = read_conversations(given.conversations)
    [whole] = given.directories
    directories = [whole]
    if options.index is None:
        directories.insert(0, tenth_of_corpus(console))
        if options.large:
            directories.append(tenfold_corpus(console))
    sizes: list[SizeReads] = []
    failures: list[str] = []
    for directory in directories:
        searches = cold_searches(directory, given.scratch, conversations, console)
        sizes.append(_size_reads(directory, searches))
        failures += searches.failures
    return Report(
        title=f"reads of the search step of {len(conversations)} answers, page cache dropped before each",
        columns=("index", "tokens", "starts", "counted a start", "disk reads", "infini-gram", "a start", "ratio"),
        rows=[_row(size) for size in sizes],
        figures=figures(sizes, whole.name),
        failures=failures,
        notes=_notes(sizes),
    )


def figures(sizes: Sequence[SizeReads], whole: str) -> dict[str, float | int]:
    """Returns the published figures; those that need two sizes are left out where there is one."""
    found: dict[str, float | int] = {
        "reads_per_suffix": next(size.counted for size in sizes if size.name == whole),
        "reads_ratio": sizes[-1].ratio,
    }
    if len(sizes) > 1:
        found["reads_growth"] = max(larger.counted / smaller.counted for smaller, larger in pairwise(sizes))
    return found


def _size_reads(directory: Path, searches: ColdSearches) -> SizeReads:
    return SizeReads(
        name=directory.name,
        num_tokens=IndexManifest.load(directory).num_tokens,
        starts=statistics.fmean(one.result.starts for one in searches.ours),
        counted=statistics.fmean(one.result.reads_per_suffix for one in searches.ours),
        ours=mean_reads(searches.ours),
        theirs=mean_reads(searches.theirs),
        disturbed=searches.disturbed,
    )


def _row(size: SizeReads) -> list[str]:
    return [
        size.name,
        f"{size.num_tokens:,}",
        f"{size.starts:.0f}",
        f"{size.counted:.2f}",
        f"{size.ours:,.0f}",
        f"{size.theirs:,.0f}",
        f"{size.theirs / size.starts:.1f}",
        f"{size.ratio:.1f}",
    ]


def _notes(sizes: Sequence[SizeReads]) -> list[str]:
    notes = [
        "means a conversation; counted a start: random reads our engine asks of table, fan-out and text, cached or not",
        "disk reads: completed by the disk while the answer was searched; infini-gram: its bare attribute",
        "reads_ratio is that of the last row, reads_growth the largest step of 'counted a start' from row to row",
    ]
    disturbed = sum(size.disturbed for size in sizes)
    if disturbed:
        notes.append(f"in {disturbed} requests other processes read from the disk, too: run it on a quiet machine")
    return notes
