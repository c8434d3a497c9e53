"""A real Ray exports what rules and panels ask of it, with these labels. Slow: Ray's metrics come ten seconds late."""

import contextlib
import re
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from coordinator.local.free_ports import free_ports
from headwater.server_process import ServerProcess, stop_gently
from tests.deploy import exported
from tests.running_servers import shard_process, write_cluster_file
from tests.tiny_index import byte_level_tokenizer, write_index

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TEXTS = ("The quick brown fox jumps over the lazy dog.", "A quick brown fox walks under the bridge.")
START_S = 420.0
PATIENCE_S = 120.0


@contextlib.contextmanager
def served(index: Path, directory: Path) -> Iterator[None]:
    """Serves an index on a Ray of its own."""
    grpc_port, http_port = free_ports(2)
    with shard_process(index, 0) as shard:
        cluster_file = write_cluster_file(directory / "cluster.yaml", index, [shard.address])
        command = [sys.executable, "-m", "coordinator", "--cluster-file", str(cluster_file), "--stop-with-stdin"]
        command += ["--grpc-port", str(grpc_port), "--http-port", str(http_port), "--metrics-listen", "127.0.0.1:0"]
        process = ServerProcess("coordinator", command, directory)
        try:
            process.wait_until_ready("serving on ", START_S)
            yield
        finally:
            stop_gently([process], 60.0)
            process.reap()


def ports_of_ray() -> Iterator[int]:
    """Yields every port at which a process below this one listens; Ray's agent takes any that is free."""
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            for connection in process.net_connections("tcp4"):
                if connection.status == psutil.CONN_LISTEN:
                    yield connection.laddr.port


def labels_by_metric() -> dict[str, list[set[str]]]:
    """Returns the labels of each series that Ray tells now, by metric as a query has it."""
    found: dict[str, list[set[str]]] = {}
    for port in set(ports_of_ray()):
        with contextlib.suppress(OSError, ValueError):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                text = answer.read().decode()
            for family in text_string_to_metric_families(text):
                for sample in family.samples:
                    if sample.name.startswith("ray_"):
                        found.setdefault(sample.name, []).append(set(sample.labels))
    return found


def test_ray_exports_what_is_asked_of_it(tmp_path: Path) -> None:
    index = write_index(tmp_path / "index", (TEXTS,), byte_level_tokenizer(TEXTS, 300))
    jobs = exported.read_yaml(exported.RULES.parent / "prometheus.yml")["scrape_configs"]
    (ray,) = (job for job in jobs if job["job_name"] == "headwater-ray")
    dropped = ray["metric_relabel_configs"][1]["regex"]
    with served(index, tmp_path):
        deadline = time.monotonic() + PATIENCE_S
        while not set(exported.OF_RAY) <= set(told := labels_by_metric()) and time.monotonic() < deadline:
            time.sleep(2)
    assert not set(exported.OF_RAY) - set(told)
    for name, labels in exported.OF_RAY.items():
        for of_series in told[name]:
            assert labels <= {label for label in of_series if not re.fullmatch(dropped, label)}, name
