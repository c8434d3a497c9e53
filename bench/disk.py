"""What the disk gives, and how much of it a cold search gets out of it."""

from rich.console import Console

from bench import fio
from bench.block_reads import Disk
from bench.cold_search import cold_searches, reads_per_second
from bench.conversations import read_conversations
from bench.corpus import inputs
from bench.options import BenchOptions
from bench.report import Report

_DEPTHS = (1, 32, 128)


def run(options: BenchOptions, console: Console) -> Report:
    """Runs fio on the largest file of the index at three queue depths, and then every cold search once."""
    given = inputs(options.index, options.conversations, shards=(1,), console=console)
    conversations = read_conversations(given.conversations)
    [directory] = given.directories
    largest = max((path for path in directory.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    depths = []
    if fio.is_installed():
        for depth in _DEPTHS:
            with console.status(f"fio, {depth} reads in flight"):
                depths.append(fio.random_reads(largest, depth))
    searches = cold_searches(directory, given.scratch, conversations, console)
    ours, theirs = reads_per_second(searches.ours), reads_per_second(searches.theirs)
    figures: dict[str, float | int] = {f"disk_reads_{one.depth}": one.per_second for one in depths}
    figures["cold_reads_per_second"] = ours
    disk = Disk(directory)
    return Report(
        title=f"random reads from {disk.name}",
        columns=("", "reads/s", "median of one read, us"),
        rows=[
            *([f"fio, {one.depth} in flight", f"{one.per_second:,.0f}", f"{one.median_us:.0f}"] for one in depths),
            ["headwater, cold search", f"{ours:,.0f}", "-"],
            ["infini-gram, cold attribute", f"{theirs:,.0f}", "-"],
        ],
        figures=figures,
        failures=searches.failures,
        notes=(
            f"fio: 4 KiB, past the page cache, from {largest.name} ({largest.stat().st_size / 2**20:,.0f} MiB)"
            if depths
            else "fio is not installed, so what the disk gives at best is not known",
            f"disk: scheduler {disk.setting('scheduler')}, read-ahead {disk.setting('read_ahead_kb')} KiB, "
            f"{disk.setting('nr_requests')} requests queued at most",
            "searches: reads that the disk completed over the time of the whole search step, summed over the answers",
        ),
    )
