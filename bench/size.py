"""What an index costs: bytes of disk and of RAM a token, and how much longer sorting takes with the sidecars."""

import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

import suffix_engine
from bench.acceleration import require_accelerated
from bench.agreement import disagreements
from bench.conversations import Conversation, read_conversations
from bench.corpus import KEPT, inputs
from bench.infini_gram_peer import InfiniGramPeer, bare_spans
from bench.options import BenchOptions
from bench.our_search import opened_search
from bench.process_tree import Finished, run_watched
from bench.report import Report
from bench.searched_index import searched_index
from bench.warm_files import read_through
from index_format.layout import CORE_FILES, FAN_OUT, SIDECARS, TABLE, TOKENIZED, shard_folder
from index_format.manifest import IndexManifest, ShardManifest

_MOST_PASSES = 3
_SCRIPT = """
import sys, time
import suffix_engine
task, folder, width = sys.argv[1], sys.argv[2], int(sys.argv[3])
began = time.perf_counter()
if task == "accelerate":
    suffix_engine.accelerate_shard(folder, token_width=width)
else:
    suffix_engine.sort_part(folder, token_width=width, part=0, num_parts=1, accelerate=task == "sort_with_sidecars")
print(time.perf_counter() - began)
"""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes over all shards: of each file, of the directories in RAM, and of everything that opening takes in RAM."""

    files: dict[str, int]
    directory_bytes: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class _Step:
    seconds: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class _Steps:
    """Sorting a shard without and with its sidecars, and building those of a table that is there."""

    sort: _Step
    sort_with_sidecars: _Step
    accelerate: _Step

    @property
    def accelerate_ratio(self) -> float:
        """What the sidecars add to the seconds of sorting, as a share of these."""
        return self.sort_with_sidecars.seconds / self.sort.seconds - 1


def run(options: BenchOptions, console: Console) -> Report:
    """Sums the files of the index, opens it, and sorts its first shard anew, without and with sidecars."""
    given = inputs(options.index, options.conversations, shards=(1,), console=console)
    conversations = read_conversations(given.conversations)
    [directory] = given.directories
    require_accelerated(directory)
    manifest = IndexManifest.load(directory)
    with console.status("comparing with infini-gram"):
        failures = _differences(directory, given.scratch, conversations)
    sizes = _sizes(directory, manifest)
    steps = _timed(directory / shard_folder(0), min(_MOST_PASSES, options.passes), console)
    return Report(
        title=f"size of an index: {manifest.num_tokens:,} tokens of {manifest.token_width} bytes",
        columns=("", "headwater", "infini-gram"),
        rows=[*_size_rows(sizes, manifest.num_tokens), *_time_rows(steps)],
        figures={
            "directory_bytes_per_token": sizes.directory_bytes / manifest.num_tokens,
            "fanout_bytes_per_token": sizes.files[FAN_OUT] / manifest.num_tokens,
            "accelerate_ratio": steps.accelerate_ratio,
            "accelerate_seconds": steps.accelerate.seconds,
            "accelerate_peak_mib": steps.accelerate.peak_bytes / 2**20,
        },
        failures=failures + _wrong_sizes(directory, manifest),
        notes=(
            "infini-gram reads the same core files (its own indexer writes equal sizes) and holds nothing else of them",
            "accelerate_ratio: what the sidecars add to the seconds of sorting, over these",
            "accelerate_seconds: building the sidecars of a table that is there, as of a foreign index",
            "times are of the first shard, text and table in the page cache, each in a process of its own",
        ),
    )


def _differences(directory: Path, scratch: Path, conversations: Sequence[Conversation]) -> list[str]:
    index = searched_index(directory, None)
    peer, failures = InfiniGramPeer(index, scratch), []
    with opened_search(index) as search:
        for conversation in conversations:
            theirs = bare_spans(peer.attribute_bare(peer.tokens(conversation.response)))
            wrong = disagreements(search.search(conversation.response).found(), theirs)
            failures += [f"{conversation.id}: {line}" for line in wrong]
    return failures


def _sizes(directory: Path, manifest: IndexManifest) -> Sizes:
    folders = [directory / shard_folder(number) for number in range(manifest.num_shards)]
    pool = suffix_engine.ThreadPool(1)
    shards = [suffix_engine.ShardIndex.open(folder, token_width=manifest.token_width, pool=pool) for folder in folders]
    return Sizes(
        files={name: sum((folder / name).stat().st_size for folder in folders) for name in (*CORE_FILES, *SIDECARS)},
        directory_bytes=sum(shard.directory_bytes for shard in shards),
        memory_bytes=sum(shard.memory_bytes for shard in shards),
    )


def _wrong_sizes(directory: Path, manifest: IndexManifest) -> list[str]:
    lines = []
    for number in range(manifest.num_shards):
        folder = directory / shard_folder(number)
        found = (folder / FAN_OUT).stat().st_size
        wanted = suffix_engine.fan_out_bytes(ShardManifest.load(folder).num_tokens, manifest.token_width)
        if found != wanted:
            lines.append(f"{folder / FAN_OUT}: {found} bytes, announced {wanted}")
    return lines


def _timed(shard: Path, passes: int, console: Console) -> _Steps:
    width = ShardManifest.load(shard).token_width
    sorts, sorts_with_sidecars, accelerations = [], [], []
    with tempfile.TemporaryDirectory(dir=KEPT, prefix="size-") as scratch:
        for number in range(passes):
            folder = Path(scratch) / "shard"
            with console.status(f"sorting and accelerating, pass {number + 1} of {passes}"):
                _prepare(shard, folder)
                sorts_with_sidecars.append(_call("sort_with_sidecars", folder, width))
                _prepare(shard, folder)
                sorts.append(_call("sort", folder, width))
                accelerations.append(_call("accelerate", folder, width))
    return _Steps(_median(sorts), _median(sorts_with_sidecars), _median(accelerations))


def _prepare(shard: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in CORE_FILES:
        if name != TABLE:
            (folder / name).hardlink_to(shard / name)
    read_through(folder / TOKENIZED)


def _call(task: str, folder: Path, width: int) -> _Step:
    command = [sys.executable, "-c", _SCRIPT, task, str(folder), str(width)]
    finished: Finished = run_watched(command, os.environ, folder.with_name("log.txt"))
    return _Step(float(finished.output), finished.peak_bytes)


def _median(steps: Sequence[_Step]) -> _Step:
    return _Step(statistics.median(one.seconds for one in steps), max(one.peak_bytes for one in steps))


def _size_rows(sizes: Sizes, num_tokens: int) -> list[list[str]]:
    rows = []
    for name, size_bytes in sizes.files.items():
        a_token = f"{size_bytes / num_tokens:.4f}"
        rows.append([f"{name}, bytes a token", a_token, "-" if name in SIDECARS else a_token])
    core = sum(sizes.files[name] for name in CORE_FILES)
    rows.append(
        ["disk in all, bytes a token", f"{sum(sizes.files.values()) / num_tokens:.3f}", f"{core / num_tokens:.3f}"]
    )
    rows.append(["directory in RAM, bytes a token", f"{sizes.directory_bytes / num_tokens:.4f}", "-"])
    rows.append(["RAM in all, bytes a token", f"{sizes.memory_bytes / num_tokens:.4f}", "-"])
    return rows


def _time_rows(steps: _Steps) -> list[list[str]]:
    named = {
        "sorting": steps.sort,
        "sorting with the sidecars": steps.sort_with_sidecars,
        "the sidecars of a table that is there": steps.accelerate,
    }
    seconds = [[f"{name}, s", f"{step.seconds:.2f}", "-"] for name, step in named.items()]
    return seconds + [[f"{name}, peak MiB", f"{step.peak_bytes / 2**20:,.0f}", "-"] for name, step in named.items()]
