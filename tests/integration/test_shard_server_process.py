"""A shard server as a process: how it starts, what its probes say, and how it stops without losing a call."""

import asyncio
import contextlib
import json
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from protos.shard.v1 import shard_pb2_grpc
from tests.integration.shard_calls import id_of, search, write_two_shards
from tests.running_servers import shard_server, unused_address


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return write_two_shards(tmp_path / "index")


@contextlib.contextmanager
def process(index: Path, *flags: str, listen: str = "127.0.0.1:0") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Starts a server; gives it and its address once it is ready."""
    command = [sys.executable, "-m", "shard_server", "--index", str(index), "--listen", listen, "--stop-with-stdin"]
    pipe = subprocess.PIPE
    with subprocess.Popen([*command, *flags], stdin=pipe, stdout=pipe, stderr=pipe, text=True) as started:
        assert started.stdout is not None
        try:
            line = started.stdout.readline()
            assert line.startswith("listening on 127.0.0.1:")
            yield started, line.strip().rpartition(" ")[2]
        finally:
            started.kill()


def get(address: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=60) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_process_gently(index: Path, number: signal.Signals) -> None:
    with process(index, "--drain-notice-s", "0.1") as (server, _):
        server.send_signal(number)
        _, log = server.communicate(timeout=60)
        assert server.returncode == 0
        assert "stopping" in [json.loads(line)["event"] for line in log.splitlines()]


def test_the_process_stops_at_once_when_its_parent_closes_the_pipe(index: Path) -> None:
    with process(index, "--drain-notice-s", "600") as (server, _):
        assert server.stdin is not None
        server.stdin.close()
        assert server.wait(60) == 0


@pytest.mark.parametrize("more", ["signal", "pipe"])
def test_a_process_that_drains_stops_at_once_when_it_is_told_again(index: Path, more: str) -> None:
    probes = unused_address()
    with process(index, "--drain-notice-s", "600", "--metrics-listen", probes) as (server, _):
        server.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 60
        while get(probes, "/readyz")[0] == 200:
            assert time.monotonic() < deadline
        if more == "pipe":
            assert server.stdin is not None
            server.stdin.close()
        else:
            server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--index", "{missing}"], "a finished index has this file"),
        (["--index", "{index}", "--listen", "nowhere"], "is not host:port"),
        (["--index", "{index}", "--listen", "{used}"], "the port is in use"),
        (["--index", "{index}", "--metrics-listen", "{used}"], "cannot listen for metrics"),
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


def test_probes_and_metrics_follow_the_process_until_its_end(index: Path) -> None:
    probes = unused_address()
    with process(index, "--metrics-listen", probes, "--drain-notice-s", "600") as (server, address):
        status, page = get(probes, "/readyz")
        assert (status, json.loads(page)) == (200, {"ready": True, "index_id": id_of(index), "shards": [0, 1]})
        with grpc.insecure_channel(address) as channel:
            stub = shard_pb2_grpc.ShardServiceStub(channel)
            reads = stub.LongestMatches(search(index)).reads
            server.send_signal(signal.SIGTERM)
            watched = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
            next(answer for answer in watched if answer.status == health_pb2.HealthCheckResponse.NOT_SERVING)
            assert stub.LongestMatches(search(index)).starts, "calls are still taken"
        status, page = get(probes, "/readyz")
        assert (status, json.loads(page)) == (503, {"ready": False, "reason": "stopping"})
        assert get(probes, "/healthz")[0] == 200
        lines = get(probes, "/metrics")[1].splitlines()
    assert 'headwater_shard_rpc_seconds_count{rpc="LongestMatches",shard="0",status="OK"} 2.0' in lines
    assert f'headwater_shard_reads_total{{file="text"}} {float(2 * reads.text)}' in lines
    assert f"headwater_shard_read_bytes_total {float(2 * reads.size_bytes)}" in lines
    assert "headwater_shard_running_calls 0.0" in lines
    assert "headwater_shard_ready 0.0" in lines
    assert any(re.match(r'headwater_shard_tokens\{shard="1"\} \d', line) for line in lines)
    assert any(
        line.startswith(f'headwater_shard_index_info{{format_version="1",index_id="{id_of(index)}"') for line in lines
    )
    assert any(line.startswith("process_resident_memory_bytes ") for line in lines)


def test_a_slow_call_is_logged_with_its_request_id_and_without_its_content(index: Path) -> None:
    with process(index, "--slow-call-s", "0") as (server, address):
        with grpc.insecure_channel(address) as channel:
            stub = shard_pb2_grpc.ShardServiceStub(channel)
            stub.LongestMatches(search(index), metadata=[("x-request-id", "r-17")])
            stub.LongestMatches(search(index), metadata=[("x-request-id", "not an id")])
        assert server.stdin is not None
        server.stdin.close()
        assert server.stderr is not None
        lines = [json.loads(line) for line in server.stderr.read().splitlines()]
    first, second = [line for line in lines if line["event"] == "slow call"]
    assert (first["request_id"], first["rpc"], first["shard"], first["status"]) == ("r-17", "LongestMatches", "0", "OK")
    assert re.fullmatch("[0-9a-f]{32}", second["request_id"])
    assert set(first) == {
        "time", "level", "logger", "event", "request_id", "rpc", "status", "shard", "seconds", "queue_s"
    }  # fmt: skip


def test_no_call_is_lost_while_servers_restart_in_turn(index: Path) -> None:
    addresses = [unused_address(), unused_address()]
    flags = ("--drain-notice-s", "0.5")
    config = {
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": "protos.shard.v1.ShardService"},
        "methodConfig": [{"name": [{}], "waitForReady": True}],
    }
    options: list[tuple[str, Any]] = [
        ("grpc.service_config", json.dumps(config)),
        ("grpc.enable_retries", 0),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 200),
    ]
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(process(index, *flags, listen=address))[0] for address in addresses]
        channel = stack.enter_context(grpc.insecure_channel("ipv4:" + ",".join(addresses), options=options))
        stub = shard_pb2_grpc.ShardServiceStub(channel)
        stopped = stack.enter_context(_calling(stub, index))
        for server, address in zip(servers, addresses, strict=True):
            server.send_signal(signal.SIGTERM)
            assert server.wait(60) == 0
            probes = unused_address()
            stack.enter_context(process(index, *flags, "--metrics-listen", probes, listen=address))
            deadline = time.monotonic() + 60
            while 'status="OK"' not in get(probes, "/metrics")[1]:  # the client has not come back to it yet
                assert time.monotonic() < deadline
                time.sleep(0.05)
        counted = stopped()
    assert counted["failed"] == []
    assert counted["done"] > 100


@contextlib.contextmanager
def _calling(stub: Any, index: Path) -> Iterator[Any]:
    """Calls all the while; gives what ends it and returns how many calls were done, and the status of those failed."""
    stop = threading.Event()
    counted: dict[str, Any] = {"done": 0, "failed": []}
    request = search(index)

    def call() -> None:
        while not stop.is_set():
            try:
                stub.LongestMatches(request, timeout=10)
                counted["done"] += 1
            except grpc.RpcError as error:
                counted["failed"].append(f"{error.code()}: {error.details()}")  # type: ignore[attr-defined]

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()

    def stopped() -> dict[str, Any]:
        stop.set()
        for thread in threads:
            thread.join()
        return counted

    try:
        yield stopped
    finally:
        stopped()
