"""The largest request of each kind takes a bounded amount of memory, and gives it back."""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import grpc
import numpy as np
import psutil
import pytest

from coordinator.config import CoordinatorConfig
from protos.coordinator.v1 import coordinator_pb2 as pb
from protos.coordinator.v1 import coordinator_pb2_grpc
from protos.shard.v1 import shard_pb2, shard_pb2_grpc
from shard_server.config import ShardServerConfig
from tests.integration.shard_calls import id_of
from tests.running_servers import shard_process, write_cluster_file
from tests.tiny_index import byte_level_tokenizer, write_index

_MIB = 1 << 20
_OPTIONS = (("grpc.max_receive_message_length", 256 * _MIB), ("grpc.max_send_message_length", 256 * _MIB))
# What the largest call of each kind may add to the peak, in this order.
SHARD_MIB = {"GetDocument": 50, "GetWindows": 250, "LongestMatches": 250}
COORDINATOR_MIB = {"Count": 50, "GetDocument": 50, "Trace": 400, "TraceStream": 400}

_WORDS = [f"w{number:x}" for number in range(300)]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    random = Random(1)
    texts = [" ".join(random.choices(_WORDS, k=60_000)) for _ in range(3)]
    tokenizer = byte_level_tokenizer([" ".join(_WORDS)], 700)
    return write_index(tmp_path_factory.mktemp("memory") / "index", [texts], tokenizer, accelerated=True)


@contextlib.contextmanager
def coordinator_process(cluster_file: Path) -> Iterator[tuple[psutil.Process, str]]:
    command = [sys.executable, "-m", "tests.integration.coordinator_process", str(cluster_file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield psutil.Process(process.pid), process.stdout.readline().strip()
        assert process.stdin is not None
        process.stdin.close()


def peak_bytes(process: psutil.Process) -> int:
    """Returns the most memory that a process ever held, as the kernel kept it."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def check_growth(process: psutil.Process, rpc: str, most_mib: float, call: Callable[[], Any]) -> None:
    """Checks by how much the peak of a process grows in two calls, and in a third, which finds the memory of those."""
    start = peak_bytes(process)
    call()
    call()
    first = peak_bytes(process)
    call()
    grown, again = (first - start) / _MIB, (peak_bytes(process) - first) / _MIB
    print(f"{rpc}: {grown:.0f} MiB, then {again:.0f}")
    assert grown < most_mib, rpc
    assert again < most_mib / 4, f"{rpc}: what a call took is not used again by the next"


def most_tokens(index: Path, number: int) -> bytes:
    text = np.fromfile(index / "shard_00000" / "tokenized.0", dtype="<u2")
    return np.random.default_rng(1).choice(text[text != 0xFFFF], number).astype("<u4").tobytes()


def shard_requests(index: Path) -> dict[str, Any]:
    config, id_ = ShardServerConfig(index=index), id_of(index)
    starts = np.arange(config.max_query_tokens, dtype="<u4").tobytes()
    context = (config.max_window_tokens // config.max_windows - 1) // 2
    ranks = np.random.default_rng(1).integers(0, 60_000, config.max_windows).astype("<u8").tobytes()
    lengths = np.ones(config.max_windows, dtype="<u4").tobytes()
    return {
        "LongestMatches": shard_pb2.LongestMatchesRequest(
            index_id=id_, token_ids=most_tokens(index, config.max_query_tokens), word_starts=starts
        ),
        "GetWindows": shard_pb2.GetWindowsRequest(
            index_id=id_, ranks=ranks, lengths=lengths, context_tokens=context, snippet_tokens=context
        ),
        "GetDocument": shard_pb2.GetDocumentRequest(index_id=id_, max_tokens=config.max_document_tokens),
    }


def test_the_largest_call_of_a_shard_server_is_bounded(index: Path) -> None:
    requests = shard_requests(index)
    with shard_process(index) as server, grpc.insecure_channel(server.address, options=_OPTIONS) as channel:
        stub, process = shard_pb2_grpc.ShardServiceStub(channel), psutil.Process(server.process.pid)
        for rpc, most_mib in SHARD_MIB.items():
            method = getattr(stub, rpc)
            check_growth(process, rpc, most_mib, lambda: method(requests[rpc], timeout=60))  # noqa: B023


def coordinator_requests() -> dict[str, Any]:
    config = CoordinatorConfig(cluster_file=Path("x"))
    text = " ".join(Random(2).choices(_WORDS, k=config.max_answer_chars))[: config.max_answer_chars]
    options = pb.TraceOptions(
        min_span_tokens=1,
        max_count=2**62,
        # With the most windows, 95 is the context that comes near to the most tokens in them.
        context_tokens=95,
        snippet_tokens=95,
    )
    prompt = text[: config.max_prompt_chars]
    return {
        "Trace": pb.TraceRequest(answer=text, prompt=prompt, options=options),
        "TraceStream": pb.TraceStreamRequest(answer=text, prompt=prompt, options=options),
        "Count": pb.CountRequest(text=text),
        "GetDocument": pb.GetDocumentRequest(id="default:0:0", max_tokens=config.max_document_tokens),
    }


def fitting(stub: Any, request: pb.TraceRequest) -> tuple[int, float]:
    """Returns how many occurrences of how many spans come near to the most windows that a trace may read."""
    for density in (1.0, 0.7, 0.5, 0.35, 0.25, 0.18):
        request.options.max_span_density = density
        for occurrences in (8, 4):
            request.options.max_occurrences_per_span = occurrences
            with contextlib.suppress(grpc.RpcError):
                stub.Trace(request, timeout=100)
                return occurrences, density
    raise AssertionError("no trace fits")


def test_the_largest_request_to_a_coordinator_is_bounded(index: Path, tmp_path: Path) -> None:
    requests = coordinator_requests()
    with (
        shard_process(index) as server,
        coordinator_process(write_cluster_file(tmp_path / "cluster.yaml", index, [server.address])) as (
            process,
            address,
        ),
        grpc.insecure_channel(address, _OPTIONS) as channel,
    ):
        stub = coordinator_pb2_grpc.CoordinatorServiceStub(channel)
        idle = peak_bytes(process)
        options = requests["Trace"].options
        options.max_occurrences_per_span, options.max_span_density = fitting(stub, requests["Trace"])
        requests["TraceStream"].options.CopyFrom(options)
        for rpc, most_mib in COORDINATOR_MIB.items():
            method = getattr(stub, rpc)

            def call(rpc: str = rpc, method: Any = method) -> None:
                answer = method(requests[rpc], timeout=100)
                size = sum(part.ByteSize() for part in answer) if rpc == "TraceStream" else answer.ByteSize()
                assert size > (4 * _MIB if rpc.startswith("Trace") else 10), "so it is the largest there is"

            check_growth(process, rpc, most_mib, call)
        print(f"all: {(peak_bytes(process) - idle) / _MIB:.0f} MiB")
        assert peak_bytes(process) - idle < 500 * _MIB
