"""What an index costs: bytes of disk and of RAM a token, and how long its sidecars take beside sorting."""

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
began = time.perf_counter()
getattr(suffix_engine, sys.argv[1])(sys.argv[2], token_width=int(sys.argv[3]))
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


def run(options: BenchOptions, console: Console) -> Report:
    """Sums the files of the index, opens it, and sorts and accelerates its first shard anew, in turn."""
    given = inputs(options.index, options.conversations, shards=(1,), console=console)
    conversations = read_conversations(given.conversations)
    [directory] = given.directories
    require_accelerated(directory)
    manifest = IndexManifest.load(directory)
    with console.status("comparing with infini-gram"):
        failures = _differences(directory, given.scratch, conversations)
    sizes = _sizes(directory, manifest)
    sort, accelerate = _timed(directory / shard_folder(0), min(_MOST_PASSES, options.passes), console)
    return Report(
        title=f"size of an index: {manifest.num_tokens:,} tokens of {manifest.token_width} bytes",
        columns=("", "headwater", "infini-gram"),
        rows=[*_size_rows(sizes, manifest.num_tokens), *_time_rows(sort, accelerate)],
        figures={
            "directory_bytes_per_token": sizes.directory_bytes / manifest.num_tokens,
            "fanout_bytes_per_token": sizes.files[FAN_OUT] / manifest.num_tokens,
            "accelerate_ratio": accelerate.seconds / sort.seconds,
            "accelerate_seconds": accelerate.seconds,
            "accelerate_peak_mib": accelerate.peak_bytes / 2**20,
        },
        failures=failures + _wrong_sizes(directory, manifest),
        notes=(
            "infini-gram reads the same core files (its own indexer writes equal sizes) and holds nothing else of them",
            "accelerate_ratio: seconds of building the sidecars over seconds of sorting, first shard, text and table "
            "in the page cache, each in a process of its own",
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


def _timed(shard: Path, passes: int, console: Console) -> tuple[_Step, _Step]:
    width = ShardManifest.load(shard).token_width
    sorts, accelerations = [], []
    with tempfile.TemporaryDirectory(dir=KEPT, prefix="size-") as scratch:
        for number in range(passes):
            folder = Path(scratch) / "shard"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for name in CORE_FILES:
                if name != TABLE:
                    (folder / name).hardlink_to(shard / name)
            with console.status(f"sorting and accelerating, pass {number + 1} of {passes}"):
                read_through(folder / TOKENIZED)
                sorts.append(_call("sort_shard", folder, width))
                accelerations.append(_call("accelerate_shard", folder, width))
    return _median(sorts), _median(accelerations)


def _call(function: str, folder: Path, width: int) -> _Step:
    command = [sys.executable, "-c", _SCRIPT, function, str(folder), str(width)]
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


def _time_rows(sort: _Step, accelerate: _Step) -> list[list[str]]:
    return [
        ["sorting, s", f"{sort.seconds:.2f}", "-"],
        ["building the sidecars, s", f"{accelerate.seconds:.2f}", "-"],
        ["sorting, peak MiB", f"{sort.peak_bytes / 2**20:,.0f}", "-"],
        ["building the sidecars, peak MiB", f"{accelerate.peak_bytes / 2**20:,.0f}", "-"],
    ]
