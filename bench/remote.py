"""The same trace over gRPC through Ray, beside the embedded one on the same index of four shards."""

import dataclasses
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from rich.console import Console

import headwater
from bench.conversations import Conversation
from bench.corpus import inputs
from bench.options import BenchOptions
from bench.report import percentile
from bench.steps import describe_steps
from coordinator.results import Timings, Trace
from headwater.embedded import EmbeddedIndex
from headwater.local_cluster import LocalCluster
from headwater.remote import RemoteIndex

EVERY_TRACE_ANEW = {"result_cache_bytes": 0}
"""Settings of a coordinator that is measured: no answer from the cache."""

_SHARDS = 4
# The first requests open connections and fill caches in the coordinator's replica.
_WARM_UP_CONVERSATIONS = 10


@dataclass(frozen=True, slots=True)
class RemoteFindings:
    """What `bench.report.Report` needs of the comparison."""

    rows: list[list[str]]
    figures: dict[str, float | int]
    failures: list[str]
    notes: list[str]


@dataclass(frozen=True, slots=True)
class _Timed:
    """Milliseconds of every single trace as its caller saw it, and the trace's own timings."""

    wall_ms: list[float] = field(default_factory=list)
    timings: list[Timings] = field(default_factory=list)

    def add(self, trace: Trace, wall_ms: float) -> None:
        self.wall_ms.append(wall_ms)
        self.timings.append(trace.timings)


def compare_with_remote(
    options: BenchOptions, conversations: Sequence[Conversation], console: Console
) -> RemoteFindings:
    """Serves the index on this machine, and times every conversation embedded and remote, in turn."""
    [directory] = inputs(options.index, options.conversations, shards=(_SHARDS,), console=console).directories
    with console.status("starting shard servers and the coordinator on Ray"):
        cluster = LocalCluster(directory, coordinator_settings=EVERY_TRACE_ANEW)
        cluster.start()
    try:
        with console.status("tracing over gRPC"):
            embedded, remote, failures = _time_both(directory, cluster.grpc_target, conversations, options.passes)
    finally:
        cluster.stop()
    extra = percentile(remote.wall_ms, 50) - percentile(embedded.wall_ms, 50)
    num_shards = cluster.index.num_shards
    return RemoteFindings(
        rows=[
            _row(f"headwater embedded, {num_shards} shards", embedded.wall_ms),
            _row(f"headwater over gRPC through Ray, {num_shards} shards", remote.wall_ms),
        ],
        figures={
            "remote_extra_ms_p50": extra,
            "remote_ms_p50": percentile(remote.wall_ms, 50),
            "remote_ms_p99": percentile(remote.wall_ms, 99),
            "embedded_sharded_ms_p50": percentile(embedded.wall_ms, 50),
            "embedded_sharded_ms_p99": percentile(embedded.wall_ms, 99),
        },
        failures=failures,
        notes=[
            f"remote: {num_shards} shard servers, coordinator and client share this machine's cores",
            describe_steps(f"embedded, {num_shards} shards", embedded.timings, embedded.wall_ms),
            describe_steps("remote, within the coordinator", remote.timings, remote.wall_ms),
        ],
    )


def _time_both(
    directory: Path, target: str, conversations: Sequence[Conversation], passes: int
) -> tuple[_Timed, _Timed, list[str]]:
    """Returns the time of every single trace, embedded and remote, and where the two disagree."""
    ours, theirs = _Timed(), _Timed()
    failures = []
    with headwater.open(directory) as embedded, headwater.connect(target) as remote:
        for conversation in conversations[:_WARM_UP_CONVERSATIONS]:
            _timed(remote, conversation)
        for conversation in conversations:
            for number in range(passes + 1):
                found, embedded_ms = _timed(embedded, conversation)
                served, remote_ms = _timed(remote, conversation)
                if number == 0:
                    failures += [f"{conversation.id}: {line}" for line in _differences(found, served)]
                    continue
                ours.add(found, embedded_ms)
                theirs.add(served, remote_ms)
    return ours, theirs, failures


def _timed(index: EmbeddedIndex | RemoteIndex, conversation: Conversation) -> tuple[Trace, float]:
    began = perf_counter()
    trace = index.trace(conversation.response, conversation.prompt)
    return trace, (perf_counter() - began) * 1000


def _differences(embedded: Trace, remote: Trace) -> list[str]:
    fields = [field.name for field in dataclasses.fields(Trace) if field.name != "timings"]
    return [f"{name} differs over gRPC" for name in fields if getattr(embedded, name) != getattr(remote, name)]


def _row(name: str, values: Sequence[float]) -> list[str]:
    return [name, *(f"{percentile(values, p):.2f}" for p in (50, 95, 99)), f"{statistics.fmean(values):.2f}"]
