"""One shard server over real gRPC: limits, deadlines, a full queue, health, and how it stops."""

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from index_format.errors import ManifestError, TokenizerError
from index_format.manifest import IndexManifest
from protos.shard.v1 import shard_pb2 as pb
from shard_server.config import ShardServerConfig
from shard_server.errors import AddressInUseError, ConfigError
from shard_server.shards import OpenShards, open_shards
from tests.running_servers import shard_server, stub_of, unused_address
from tests.tiny_index import byte_level_tokenizer, write_index

TEXTS = ("The quick brown fox jumps over the lazy dog.", "A slow green turtle walks under the bridge.")


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return write_index(tmp_path / "index", [TEXTS[:1], TEXTS[1:]], byte_level_tokenizer(TEXTS, 300))


@pytest.fixture
def index_id(index: Path) -> str:
    return IndexManifest.load(index).index_id


def u32(*numbers: int) -> bytes:
    return np.array(numbers, dtype="<u4").tobytes()


def u64(*numbers: int) -> bytes:
    return np.array(numbers, dtype="<u8").tobytes()


class SlowShard:
    """A shard that searches until it is told to go on."""

    num_tokens = 10

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.started = 0

    def document(self, number: int, start: int, max_tokens: int) -> Any:
        self.started += 1
        self.go_on.wait(10)
        return pb.GetDocumentResponse(document_length=1, text="slow")


def slow_document(index_id: str) -> pb.GetDocumentRequest:
    return pb.GetDocumentRequest(shard=0, index_id=index_id, max_tokens=1)


async def status_of(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return raised.value.code(), raised.value.details() or ""


@pytest.mark.parametrize(
    ("rpc", "request_", "status", "details"),
    [
        ("LongestMatches", {"token_ids": b""}, "INVALID_ARGUMENT", "0 token_ids, this server takes 1 to 4"),
        ("LongestMatches", {"token_ids": u32(*[1] * 5)}, "INVALID_ARGUMENT", "5 token_ids"),
        ("LongestMatches", {"token_ids": u32(70_000)}, "INVALID_ARGUMENT", ""),
        ("LongestMatches", {"token_ids": u32(1), "cuts": u32(9)}, "INVALID_ARGUMENT", ""),
        (
            "LongestMatches",
            {"token_ids": u32(1), "shard": 5},
            "FAILED_PRECONDITION",
            "shard 5 is not served here, only 0",
        ),
        ("LongestMatches", {"token_ids": u32(1), "index_id": "x"}, "FAILED_PRECONDITION", "the request is for 'x'"),
        ("GetWindows", {"ranks": u64(*[0] * 9), "lengths": u32(*[1] * 9)}, "INVALID_ARGUMENT", "9 ranks"),
        ("GetWindows", {"ranks": u64(0), "lengths": u32(1), "context_tokens": 999}, "INVALID_ARGUMENT", "1999 tokens"),
        (
            "GetWindows",
            {"ranks": u64(0), "lengths": u32(1), "snippet_tokens": 1},
            "INVALID_ARGUMENT",
            "1 snippet_tokens",
        ),
        ("GetWindows", {"ranks": u64(10**9), "lengths": u32(1)}, "INVALID_ARGUMENT", ""),
        ("GetWindows", {"ranks": u64(0), "lengths": b""}, "INVALID_ARGUMENT", "0 lengths"),
        ("LongestMatches", {"token_ids": bytes(5)}, "INVALID_ARGUMENT", "5 bytes of token_ids, expected whole numbers"),
        ("LongestMatches", {"token_ids": u32(1), "word_starts": b"x"}, "INVALID_ARGUMENT", "1 bytes of word_starts"),
        ("LongestMatches", {"token_ids": u32(1), "cuts": bytes(7)}, "INVALID_ARGUMENT", "7 bytes of cuts"),
        ("GetWindows", {"ranks": bytes(12), "lengths": u32(1)}, "INVALID_ARGUMENT", "12 bytes of ranks"),
        ("GetWindows", {"ranks": u64(0), "lengths": bytes(6)}, "INVALID_ARGUMENT", "6 bytes of lengths"),
        ("GetWindows", {"ranks": u64(0), "lengths": u32(2**32 - 1)}, "INVALID_ARGUMENT", "tokens in the windows"),
        ("GetDocument", {"max_tokens": 0}, "INVALID_ARGUMENT", "0 max_tokens"),
        ("GetDocument", {"document": 10**9, "max_tokens": 1}, "NOT_FOUND", "shard 0"),
        ("GetDocument", {"start": 10**9, "max_tokens": 1}, "NOT_FOUND", "shard 0"),
    ],
)
def test_a_request_out_of_bounds_gets_a_status_that_says_what_is(
    index: Path, index_id: str, rpc: str, request_: dict[str, Any], status: str, details: str
) -> None:
    async def run() -> tuple[grpc.StatusCode, str]:
        limits = {"max_query_tokens": 4, "max_windows": 8, "max_window_tokens": 1000}
        async with shard_server(index, [0], **limits) as address, stub_of(address) as stub:
            message = getattr(pb, f"{rpc}Request")(**{"shard": 0, "index_id": index_id, **request_})
            return await status_of(getattr(stub, rpc)(message))

    code, found = asyncio.run(run())
    assert code.name == status
    assert details in found


def test_bytes_that_are_no_request_are_an_invalid_argument(index: Path) -> None:
    async def run() -> tuple[grpc.StatusCode, str]:
        async with shard_server(index) as address, grpc.aio.insecure_channel(address) as channel:
            return await status_of(channel.unary_unary("/protos.shard.v1.ShardService/Describe")(b"\xff\xff"))

    code, details = asyncio.run(run())
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "DescribeRequest" in details


def test_a_message_over_the_limit_is_refused(index: Path, index_id: str) -> None:
    async def run() -> tuple[grpc.StatusCode, str]:
        async with shard_server(index, max_message_bytes=65_536) as address, stub_of(address) as stub:
            return await status_of(stub.LongestMatches(pb.LongestMatchesRequest(token_ids=u32(*[1] * 100_000))))

    assert asyncio.run(run())[0] is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_full_queue_answers_resource_exhausted_and_takes_work_again_afterwards(index: Path, index_id: str) -> None:
    slow = SlowShard()
    opened = OpenShards(IndexManifest.load(index), {0: slow})  # type: ignore[dict-item]

    async def run() -> tuple[tuple[grpc.StatusCode, str], list[str]]:
        limits = {"max_running_calls": 1, "max_queued_calls": 1}
        async with shard_server(index, opened=opened, **limits) as address, stub_of(address) as stub:
            calls = [stub.GetDocument(slow_document(index_id)) for _ in range(2)]
            await asyncio.sleep(0.3)
            refused = await status_of(stub.GetDocument(slow_document(index_id)))
            slow.go_on.set()
            texts = [(await call).text for call in calls]
            return refused, [*texts, (await stub.GetDocument(slow_document(index_id))).text]

    (code, details), texts = asyncio.run(run())
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert details == "1 calls run and 1 wait"
    assert texts == ["slow"] * 3


def test_work_whose_caller_is_gone_is_not_started(index: Path, index_id: str) -> None:
    slow = SlowShard()
    opened = OpenShards(IndexManifest.load(index), {0: slow})  # type: ignore[dict-item]

    async def run() -> None:
        async with shard_server(index, opened=opened, max_running_calls=1) as address, stub_of(address) as stub:
            running = stub.GetDocument(slow_document(index_id))
            await asyncio.sleep(0.2)
            cancelled = stub.GetDocument(slow_document(index_id))
            late = stub.GetDocument(slow_document(index_id), timeout=0.2)
            await asyncio.sleep(0.1)
            cancelled.cancel()
            assert (await status_of(late))[0] is grpc.StatusCode.DEADLINE_EXCEEDED
            slow.go_on.set()
            await running

    asyncio.run(run())
    assert slow.started == 1


def test_callers_that_go_away_leave_the_queue_at_once(index: Path, index_id: str) -> None:
    slow = SlowShard()
    opened = OpenShards(IndexManifest.load(index), {0: slow})  # type: ignore[dict-item]

    async def run() -> None:
        limits = {"max_running_calls": 1, "max_queued_calls": 2}
        async with shard_server(index, opened=opened, **limits) as address, stub_of(address) as stub:
            running = stub.GetDocument(slow_document(index_id))
            await asyncio.sleep(0.2)
            gone = [stub.GetDocument(slow_document(index_id)) for _ in range(2)]
            await asyncio.sleep(0.2)
            for call in gone:
                call.cancel()
            await asyncio.sleep(0.2)
            queued = [stub.GetDocument(slow_document(index_id)) for _ in range(2)]
            await asyncio.sleep(0.2)
            slow.go_on.set()
            assert [(await call).text for call in [running, *queued]] == ["slow"] * 3

    asyncio.run(run())
    assert slow.started == 3


def test_stopping_turns_health_off_and_lets_running_calls_finish(index: Path, index_id: str) -> None:
    slow = SlowShard()
    opened = OpenShards(IndexManifest.load(index), {0: slow})  # type: ignore[dict-item]

    async def run() -> tuple[list[int], str]:
        server = shard_server(index, opened=opened)
        address = await server.__aenter__()
        async with grpc.aio.insecure_channel(address) as channel, stub_of(address) as stub:
            health = health_pb2_grpc.HealthStub(channel)
            request = health_pb2.HealthCheckRequest(service="protos.shard.v1.ShardService")
            watched = health.Watch(request)
            states = [(await watched.read()).status]
            running = stub.GetDocument(slow_document(index_id))
            await asyncio.sleep(0.2)
            stopping = asyncio.ensure_future(server.__aexit__(None, None, None))
            states.append((await watched.read()).status)
            watched.cancel()
            slow.go_on.set()
            text = (await running).text
            await stopping
            return states, text

    states, text = asyncio.run(run())
    serving, not_serving = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
    assert states == [serving, not_serving]
    assert text == "slow"


def test_the_service_is_listed_by_reflection(index: Path) -> None:
    async def run() -> list[str]:
        async with shard_server(index) as address, grpc.aio.insecure_channel(address) as channel:
            stub = reflection_pb2_grpc.ServerReflectionStub(channel)
            call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
            response = await call.read()
            call.cancel()
            return [service.name for service in response.list_services_response.service]

    assert "protos.shard.v1.ShardService" in asyncio.run(run())


def test_a_port_in_use_is_an_error_that_says_so(index: Path) -> None:
    async def run() -> None:
        async with shard_server(index) as address, shard_server(index, listen=address):
            pass

    with pytest.raises(AddressInUseError, match="the port is in use"):
        asyncio.run(run())


def test_a_shard_that_the_index_has_not_is_refused(index: Path) -> None:
    with pytest.raises(ConfigError, match="asked for shard 2, the index has shards 0 to 1"):
        open_shards(ShardServerConfig(index=index, shards=(2,)))


def test_a_tokenizer_that_is_not_the_index_s_is_refused(index: Path) -> None:
    (index / "tokenizer.json").write_bytes(byte_level_tokenizer(TEXTS, 280).content)
    with pytest.raises(TokenizerError, match="the index was built with"):
        open_shards(ShardServerConfig(index=index))


def test_only_the_shards_served_need_be_on_the_disk(index: Path) -> None:
    (index / "shard_00000" / "table.0").unlink()
    assert list(open_shards(ShardServerConfig(index=index, shards=(1,))).by_number) == [1]
    with pytest.raises(ManifestError, match=r"table\.0: file is missing"):
        open_shards(ShardServerConfig(index=index, shards=(0,)))


@pytest.fixture
def process(index: Path) -> Iterator[subprocess.Popen[str]]:
    """A shard server as a process of its own, ready."""
    with subprocess.Popen(
        [sys.executable, "-m", "shard_server", "--index", str(index), "--listen", "127.0.0.1:0", "--stop-with-stdin"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as started:
        assert started.stdout is not None
        assert started.stdout.readline().startswith("listening on 127.0.0.1:")
        yield started
        started.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_process_gently(process: subprocess.Popen[str], number: signal.Signals) -> None:
    process.send_signal(number)
    _, log = process.communicate(timeout=20)
    assert process.returncode == 0
    assert '"event": "stopping"' in log


def test_the_process_stops_when_its_parent_closes_the_pipe(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(20) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--index", "{missing}"], "a finished index has this file"),
        (["--index", "{index}", "--listen", "nowhere"], "is not host:port"),
        (["--index", "{index}", "--listen", "{used}"], "the port is in use"),
        (["--index", "{index}", "--metrics-listen", "{used}"], "cannot serve metrics there"),
        (["--index", "{index}", "--config", "{config}"], "setting 'colour' is unknown"),
        ([], "setting 'index' is missing; give --index or HEADWATER_SHARD_INDEX"),
    ],
)
def test_a_server_that_cannot_start_says_why_in_one_line(
    index: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "config.yaml").write_text("colour: blue\n")
    used = unused_address()

    async def run() -> subprocess.CompletedProcess[str]:
        async with shard_server(index, listen=used):
            filled = [
                part.format(index=index, missing=tmp_path, used=used, config=tmp_path / "config.yaml")
                for part in ["--listen", "127.0.0.1:0", *arguments]
            ]
            command = [sys.executable, "-m", "shard_server", *filled]
            return await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)

    done = asyncio.run(run())
    assert done.returncode == 1
    assert message in done.stderr.splitlines()[-1]


def test_metrics_count_the_calls(index: Path, index_id: str) -> None:
    import urllib.request

    listen = unused_address()

    async def run() -> tuple[str, pb.ReadCounts]:
        async with shard_server(index, metrics_listen=listen) as address, stub_of(address) as stub:
            await stub.Describe(pb.DescribeRequest())
            request = pb.LongestMatchesRequest(index_id=index_id, token_ids=u32(5, 6, 7), word_starts=u32(0, 1, 2))
            matches = await stub.LongestMatches(request)
            await status_of(stub.GetDocument(pb.GetDocumentRequest(index_id=index_id, shard=9)))
            page = await asyncio.to_thread(lambda: urllib.request.urlopen(f"http://{listen}/metrics").read().decode())
            return page, matches.reads

    page, reads = asyncio.run(run())
    assert 'headwater_shard_rpc_seconds_count{rpc="Describe",status="OK"} 1.0' in page
    assert 'headwater_shard_rpc_seconds_count{rpc="GetDocument",status="FAILED_PRECONDITION"} 1.0' in page
    assert 'headwater_shard_tokens{shard="0"}' in page
    assert "headwater_shard_calls 0.0" in page
    assert reads.table + reads.text > 0
    for file in ("table", "fan_out", "text", "documents"):
        assert f'headwater_shard_reads_total{{file="{file}"}} {float(getattr(reads, file))}' in page
    assert f"headwater_shard_read_bytes_total {float(reads.size_bytes)}" in page


def test_a_bug_is_answered_internal_and_its_text_stays_in_the_log(
    index: Path, index_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        num_tokens = 1

        def document(self, *_: int) -> Any:
            raise RuntimeError("secret text")

    opened = OpenShards(IndexManifest.load(index), {0: Broken()})  # type: ignore[dict-item]

    async def run() -> tuple[grpc.StatusCode, str]:
        async with shard_server(index, opened=opened) as address, stub_of(address) as stub:
            return await status_of(stub.GetDocument(slow_document(index_id)))

    code, details = asyncio.run(run())
    assert code is grpc.StatusCode.INTERNAL
    assert "secret" not in details
    assert "call failed" in caplog.text
