"""Where the time of a trace over gRPC through Ray goes: equal requests embedded, over gRPC alone, and through Ray."""

import asyncio
import contextlib
import os
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from time import perf_counter
from typing import TypeVar

import psutil
import yaml
from rich.console import Console

import headwater
from bench.conversations import Conversation, read_conversations
from bench.corpus import inputs
from bench.options import BenchOptions
from bench.remote import EVERY_TRACE_ANEW
from bench.report import Report
from coordinator.api import codec
from coordinator.config import CoordinatorConfig
from coordinator.errors import InvalidRequestError
from coordinator.requests import TraceRequest
from coordinator.results import Timings, Trace
from coordinator.service import Coordinator
from headwater.local_cluster import LocalCluster
from protos.coordinator.v1 import coordinator_pb2 as pb

_SHARDS = 4
_WARM_UP_CONVERSATIONS = 15
_STEPS = tuple(field.name for field in fields(Timings))
# What a command line has in it, by the name of the row.
_PROCESSES = {"coordinator replica": "ServeReplica", "shard servers, all": "shard_server", "haproxy": "haproxy"}

_T = TypeVar("_T")
_Columns = Mapping[str, list[tuple[Trace, float]]]


def run(options: BenchOptions, console: Console) -> Report:
    """Serves the index on this machine and traces every conversation in three ways, in turn."""
    given = inputs(options.index, options.conversations, shards=(_SHARDS,), console=console)
    conversations = read_conversations(given.conversations)
    [directory] = given.directories
    with console.status("starting shard servers and the coordinator on Ray"):
        cluster = LocalCluster(directory, coordinator_settings=EVERY_TRACE_ANEW)
        cluster.start()
    try:
        with console.status("tracing"):
            traced, refused_ms, cpu_ms = _measure(cluster, directory, conversations, options.passes)
    finally:
        cluster.stop()
    codec_ms = _codec_ms([trace for trace, _ in traced["through Ray"]])
    rows = [*_step_rows(traced), *_outside_rows(traced, refused_ms, codec_ms)]
    rows += [[f"CPU: {name}", "", "", f"{spent:.2f}"] for name, spent in cpu_ms.items()]
    whole = {name: statistics.median(ms for _, ms in column) for name, column in traced.items()}
    return Report(
        title=f"where a trace's milliseconds go: {len(conversations)} conversations, warm, {_SHARDS} shards",
        columns=("median ms", *traced),
        rows=rows,
        figures={"profile_extra_ms_p50": whole["through Ray"] - whole["embedded"]},
        notes=(
            "over gRPC: the coordinator in this process, without Ray, over the same shard servers",
            "client, coordinator, shard servers and Ray share this machine's cores; CPU is per trace, over all threads",
        ),
    )


def _measure(
    cluster: LocalCluster, directory: Path, conversations: Sequence[Conversation], passes: int
) -> tuple[_Columns, float, dict[str, float]]:
    """Returns the traces of each way with their milliseconds, those of a refused request, and CPU milliseconds."""
    traced: _Columns = {"embedded": [], "over gRPC": [], "through Ray": []}
    with (
        headwater.open(directory) as embedded,
        _coordinator(cluster, directory) as coordinator,
        headwater.connect(cluster.grpc_target) as remote,
    ):
        ways: dict[str, Callable[[str, str], Trace]] = {
            "embedded": embedded.trace,
            "over gRPC": coordinator,
            "through Ray": remote.trace,
        }
        for conversation in conversations[:_WARM_UP_CONVERSATIONS]:
            for trace in ways.values():
                trace(conversation.response, conversation.prompt)
        spent = dict.fromkeys((*_PROCESSES, "client"), 0.0)
        for _ in range(passes):
            for name, trace in ways.items():
                before = _cpu_seconds()
                traced[name].extend(_timed(trace, each.response, each.prompt) for each in conversations)
                if name == "through Ray":
                    spent = {each: spent[each] + now - before[each] for each, now in _cpu_seconds().items()}
        refused = [_timed(_refused, remote.trace)[1] for _ in range(200)]
    num_traces = passes * len(conversations)
    return traced, statistics.median(refused), {name: 1000 * each / num_traces for name, each in spent.items()}


@contextlib.contextmanager
def _coordinator(cluster: LocalCluster, directory: Path) -> Iterator[Callable[[str, str], Trace]]:
    """Gives a trace by a coordinator in this process, over the shard servers of ``cluster``."""
    shards = [{"shard": shard, "replicas": [address]} for shard, address in enumerate(cluster.shard_addresses)]
    corpus = {"name": "default", "index": str(directory.resolve()), "shards": shards}
    with tempfile.TemporaryDirectory() as scratch, asyncio.Runner() as runner:
        cluster_file = Path(scratch) / "cluster.yaml"
        cluster_file.write_text(yaml.safe_dump({"corpora": [corpus]}))
        coordinator = runner.run(Coordinator.open(CoordinatorConfig(cluster_file=cluster_file, result_cache_bytes=0)))
        loop = runner.get_loop()  # `run` sets a signal handler each time, which takes 2 ms here
        try:
            yield lambda answer, prompt: loop.run_until_complete(coordinator.trace(TraceRequest(answer, prompt)))
        finally:
            runner.run(coordinator.close())


def _timed(call: Callable[..., _T], *arguments: object) -> tuple[_T, float]:
    began = perf_counter()
    result = call(*arguments)
    return result, (perf_counter() - began) * 1000


def _refused(trace: Callable[[str], Trace]) -> None:
    with contextlib.suppress(InvalidRequestError):
        trace("")


def _cpu_seconds() -> dict[str, float]:
    """Returns the processor time of the cluster's processes and of this one, over all their threads."""
    spent = dict.fromkeys(_PROCESSES, 0.0)
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            command = " ".join(process.cmdline())
            for name, sign in _PROCESSES.items():
                if sign in command:
                    times = process.cpu_times()
                    spent[name] += times.user + times.system
    own = os.times()
    return spent | {"client": own.user + own.system}


def _codec_ms(traces: Sequence[Trace]) -> dict[str, float]:
    """Returns what it takes to write a trace as a message, and to read it."""
    written, read = [], []
    for trace in traces:
        content, spent = _timed(lambda trace=trace: codec.encode_trace(trace).SerializeToString())
        written.append(spent)
        read.append(_timed(lambda content=content: codec.decode_trace(pb.TraceResponse.FromString(content)))[1])
    return {"coordinator writes it": statistics.median(written), "client reads it": statistics.median(read)}


def _step_rows(traced: _Columns) -> list[list[str]]:
    rows = [["whole trace", *(f"{statistics.median(ms for _, ms in column):.2f}" for column in traced.values())]]
    for step in _STEPS:
        name = "pipeline in all" if step == "total_ms" else f"  {step.removesuffix('_ms')}"
        medians = [statistics.median(getattr(trace.timings, step) for trace, _ in column) for column in traced.values()]
        rows.append([name, *(f"{median:.2f}" for median in medians)])
    return rows


def _outside_rows(traced: _Columns, refused_ms: float, codec_ms: Mapping[str, float]) -> list[list[str]]:
    outside = [statistics.median(ms - trace.timings.total_ms for trace, ms in column) for column in traced.values()]
    parts = {"client, HAProxy, Serve: a refused request": refused_ms, **codec_ms}
    parts["the answer's bytes on their way, and the rest"] = outside[-1] - sum(parts.values())
    rows = [["outside the pipeline", *(f"{each:.2f}" for each in outside)]]
    return rows + [[f"  {name}", "", "", f"{each:.2f}"] for name, each in parts.items()]
