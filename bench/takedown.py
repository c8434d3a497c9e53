"""Takedowns at a shard server: how long until a list is in force, and how long a start takes that obeys it already."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
from rich.console import Console

from bench.corpus import indexed_corpus
from bench.options import BenchOptions
from bench.report import Report
from bench.sizes import tenfold_corpus
from bench.warm_files import read_through
from index_format.layout import shard_folder
from index_format.manifest import IndexManifest
from index_format.removed_documents import DocumentNumbers
from index_format.takedown_resolution import TakedownFinder, content_of
from index_format.takedowns import DocumentTarget, Takedown
from shard_server.config import ShardServerConfig
from shard_server.shards import OpenShards, open_shards
from shard_server.takedown_store import KeptTakedowns
from suffix_engine import ShardIndex

_SIZES = (1, 100, 300, 1_000, 10_000, 100_000)
_SEED = 1
# Surviving ranks that are looked at in each view.
_SAMPLE = 10_000
# Ranks of one request, and how often each is timed: the fastest counts.
_RANKS, _REQUESTS, _TRIES = 55, 50, 5


@dataclass(frozen=True, slots=True)
class Seconds:
    """How long something took, and how much of the processors' time."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.wall:.2f} ({self.cpu:.2f})"


@dataclass(frozen=True, slots=True)
class ListTimes:
    """Until a list is in force, and until one with a document more is; starts with what was kept, and without.

    ``rank_ratio`` is how much longer the positions of some ranks take in the views than in the whole shards.
    """

    documents: int
    tokens: int
    set_first: Seconds
    one_more: Seconds
    start_kept: Seconds
    start_anew: Seconds
    rank_ratio: float


def run(options: BenchOptions, console: Console) -> Report:
    """Times lists of several sizes on one server, each from nothing."""
    directory = options.index or (tenfold_corpus(console) if options.large else indexed_corpus(1, console))
    manifest = IndexManifest.load(directory)
    times, failures = [], []
    for path in sorted(directory.glob("shard_*/*")):
        read_through(path)
    for size in (size for size in _SIZES if size < manifest.num_documents):
        with (
            console.status(f"taking {size:,} documents down"),
            tempfile.TemporaryDirectory(prefix="hw-takedown-") as state,
        ):
            measured, wrong = _measure(directory, Path(state), size)
        times.append(measured)
        failures += wrong
    figures: dict[str, float | int] = {f"takedown_seconds_{one.documents}": one.set_first.wall for one in times}
    figures["takedown_start_seconds"] = times[-1].start_kept.wall
    figures["takedown_start_anew_seconds"] = times[-1].start_anew.wall
    figures["takedown_rank_ratio"] = times[-1].rank_ratio
    return Report(
        title=f"takedowns on {manifest.num_tokens:,} tokens in {manifest.num_documents:,} documents, warm, in process",
        columns=("documents", "positions", "first list", "one more", "start", "start, nothing kept", "ranks"),
        rows=[_row(one) for one in times],
        figures=figures,
        failures=failures,
        notes=[
            "seconds, in brackets those of the processors; documents are named by number, with their content",
            "lists are obeyed on half of the cores, as beside searches; starts include opening the index",
            f"ranks: how much longer the positions of {_RANKS} random ones take than without takedowns",
        ],
    )


def _measure(directory: Path, state: Path, size: int) -> tuple[ListTimes, list[str]]:
    config = ShardServerConfig(index=directory, state_dir=state)
    shards = open_shards(config)
    takedowns, expected = _takedowns(directory, shards.index, size + 1)
    first, more = _list(1, shards, takedowns[:-1]), _list(2, shards, takedowns)
    assert shards.takedowns is not None, "shards that were opened so have them"
    set_first = _timed(partial(shards.takedowns.set, first))
    one_more = _timed(partial(shards.takedowns.set, more))
    tokens, failures = _check(shards, expected)
    named = {number: shards.views.view(number).view_id for number in shards.by_number}
    again: list[OpenShards] = []
    start_kept = _timed(lambda: again.append(open_shards(config)))
    for kept in state.glob("view_*.bin"):
        kept.unlink()
    start_anew = _timed(lambda: again.append(open_shards(config)))
    for started in again:
        failures += _check(started, expected)[1]
        if {number: started.views.view(number).view_id for number in named} != named:
            failures.append(f"{size} documents: another view after a start")
    return ListTimes(size, tokens, set_first, one_more, start_kept, start_anew, _rank_ratio(shards)), failures


def _list(epoch: int, shards: OpenShards, takedowns: list[Takedown]) -> KeptTakedowns:
    return KeptTakedowns(epoch, shards.index.index_id, tuple(takedowns))


def _takedowns(directory: Path, index: IndexManifest, size: int) -> tuple[list[Takedown], dict[int, DocumentNumbers]]:
    """Returns takedowns of documents drawn at random, and the numbers by shard."""
    manifests = index.load_shards(directory)
    starts = np.cumsum([0, *(shard.num_documents for shard in manifests)])
    drawn = np.random.default_rng(_SEED).choice(index.num_documents, size, replace=False)
    takedowns: list[Takedown] = []
    numbers = {}
    for shard, start, end in zip(manifests, starts, starts[1:], strict=False):
        own = drawn[(drawn >= start) & (drawn < end)] - start
        numbers[shard.shard] = np.sort(own).astype(np.uint64)
        finder = TakedownFinder(directory / shard_folder(shard.shard), index.index_id, shard)
        for number in own.tolist():
            target = DocumentTarget(index.index_id, shard.shard, number, content_of(finder.token_ids(number)))
            takedowns.append(Takedown(f"bench-{len(takedowns)}", target))
    return takedowns, numbers


def _check(shards: OpenShards, expected: dict[int, DocumentNumbers]) -> tuple[int, list[str]]:
    """Returns how many positions the views leave out, and what is wrong with them."""
    failures, tokens = [], 0
    random = np.random.default_rng(_SEED)
    for number, documents in expected.items():
        view = shards.views.view(number).engine
        tokens += view.withheld_tokens
        if view.withheld_documents != len(documents):
            failures.append(f"shard {number} leaves out {view.withheld_documents} documents, expected {len(documents)}")
        ranks = random.integers(0, view.num_tokens, _SAMPLE).tolist()
        found = _documents(shards.by_number[number], view.positions(ranks))
        if np.isin(found, documents).any():
            failures.append(f"shard {number}: a surviving rank is of a document that was taken down")
    return tokens, failures


def _rank_ratio(shards: OpenShards) -> float:
    random = np.random.default_rng(_SEED)
    seconds = {"view": 0.0, "shard": 0.0}
    for number, shard in shards.by_number.items():
        for name, engine in (("view", shards.views.view(number).engine), ("shard", shard)):
            for _ in range(_REQUESTS):
                ranks = random.integers(0, engine.num_tokens, _RANKS).tolist()
                seconds[name] += min(_timed(partial(engine.positions, ranks)).wall for _ in range(_TRIES))
    return seconds["view"] / seconds["shard"]


def _documents(shard: ShardIndex, positions: bytes) -> DocumentNumbers:
    documents, _ = shard.locate(np.frombuffer(positions, "<u8").tolist())
    return np.frombuffer(documents, "<u8")


def _timed(work: Callable[[], object]) -> Seconds:
    wall, cpu = perf_counter(), process_time()
    work()
    return Seconds(perf_counter() - wall, process_time() - cpu)


def _row(one: ListTimes) -> list[str]:
    times = (one.set_first, one.one_more, one.start_kept, one.start_anew)
    return [f"{one.documents:,}", f"{one.tokens:,}", *map(str, times), f"{one.rank_ratio:.1f}"]
