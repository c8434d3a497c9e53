"""``python -m coordinator`` with two replicas: what operators see of them, and how they end."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import headwater
from tests.running_servers import shard_server, unused_address, write_cluster_file
from tests.tiny_index import byte_level_tokenizer, write_index

# Ray takes about 15 s to start on two idle cores, and several times that on busy ones.
pytestmark = pytest.mark.timeout(400)

TEXTS = (
    "The quick brown fox jumps over the lazy dog near the river bank.",
    "A slow green turtle walks under a bridge.",
)


class Coordinator:
    """A coordinator's process, and the log on its standard error."""

    def __init__(self, cluster_file: Path, log: Path):
        self._log = log
        ports = [unused_address().partition(":")[2] for _ in range(2)]
        self.target = f"127.0.0.1:{ports[0]}"
        command = [sys.executable, "-m", "coordinator", "--cluster-file", str(cluster_file), "--replicas", "2"]
        command += ["--grpc-port", ports[0], "--http-port", ports[1]]
        environment = {**os.environ, "HEADWATER_COORDINATOR_METRICS_LISTEN": "127.0.0.1:17464"}
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, env=environment)

    def wait_until_ready(self) -> None:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith(b"serving on "), self._log.read_text()

    def events(self, event: str) -> list[dict[str, Any]]:
        """Returns the lines of the log with this event."""
        lines = [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]

    def wait_for(self, event: str, count: int) -> list[dict[str, Any]]:
        deadline = time.monotonic() + 60
        while len(found := self.events(event)) < count and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(found) == count, self._log.read_text()
        return found


@pytest.fixture
def cluster_file(tmp_path: Path) -> Path:
    index = write_index(tmp_path / "index", [TEXTS], byte_level_tokenizer(TEXTS, 300))
    return write_cluster_file(tmp_path / "cluster.yaml", index, [unused_address()])


@pytest.fixture
def coordinator(cluster_file: Path, tmp_path: Path) -> Iterator[Coordinator]:
    started = Coordinator(cluster_file, tmp_path / "coordinator.log")
    yield started
    family = psutil.Process(started.process.pid).children(recursive=True) if started.process.poll() is None else []
    started.process.kill()
    started.process.wait()
    for each in family:
        each.kill()
    if started.process.stdout is not None:
        started.process.stdout.close()


def page(address: str, name: str) -> str:
    with urllib.request.urlopen(f"http://{address}/{name}", timeout=60) as response:
        content: bytes = response.read()
        return content.decode()


def test_two_replicas_show_themselves_each_at_its_own_port_and_end_in_order(
    coordinator: Coordinator, cluster_file: Path
) -> None:
    """The shard server comes after the coordinator, so that readiness is seen to change."""
    [shard_address] = re.findall(r"127\.0\.0\.1:\d+", cluster_file.read_text())
    coordinator.wait_until_ready()
    addresses = [line["address"] for line in coordinator.wait_for("answering probes", 2)]
    assert len(set(addresses)) == 2
    for address in addresses:
        assert json.loads(page(address, "healthz")) == {"alive": True}
    with grpc.insecure_channel(coordinator.target) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        asked = health_pb2.HealthCheckRequest(service="protos.coordinator.v1.CoordinatorService")
        assert stub.Check(asked, timeout=20).status == health_pb2.HealthCheckResponse.NOT_SERVING

        async def with_shard() -> None:
            async with shard_server(cluster_file.parent / "index", listen=shard_address):
                await asyncio.to_thread(trace_and_look)

        def trace_and_look() -> None:
            seen = []
            for answer in stub.Watch(asked, timeout=60):
                seen.append(answer.status)
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    break
            with headwater.connect(coordinator.target) as remote:
                for number in range(20):
                    assert remote.trace(f"{number}. {TEXTS[0]}").coverage.complete
            lines = coordinator.wait_for("request", 20)
            assert {line["code"] for line in lines} == {"OK"}
            assert len({line["request_id"] for line in lines}) == 20
            counted = [
                re.findall(r'request_seconds_count\{.*code="OK".*\} (\d+)', page(each, "metrics")) for each in addresses
            ]
            assert sum(int(number) for found in counted for number in found) == 20
            assert all(json.loads(page(each, "readyz"))["ready"] for each in addresses)
            assert not any(text in json.dumps(line) for line in lines for text in ("quick", "lazy"))

        asyncio.run(with_shard())
    children = psutil.Process(coordinator.process.pid).children(recursive=True)
    coordinator.process.send_signal(signal.SIGTERM)
    assert coordinator.process.wait(60) == 0
    assert len(coordinator.events("stopping")) == 2
    assert psutil.wait_procs(children, timeout=60)[1] == []
