"""A whole cluster on this machine, Ray included: the same answers as embedded, and nothing left when it stops."""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest

import headwater
from coordinator.api.json_codec import to_json
from coordinator.errors import ConfigurationError, DocumentNotFoundError, InvalidRequestError, ShardUnavailableError
from coordinator.requests import TraceOptions
from coordinator.results import Trace
from headwater.local_cluster import LocalCluster, LocalClusterError
from protos.coordinator.v1 import coordinator_pb2 as pb
from protos.coordinator.v1 import coordinator_pb2_grpc
from tests.running_servers import shard_server, unused_address, write_cluster_file
from tests.tiny_index import byte_level_tokenizer, write_index

# Ray takes about 15 s to start on two idle cores, and several times that on busy ones.
pytestmark = pytest.mark.timeout(300)

TEXTS = (
    "The quick brown fox jumps over the lazy dog near the river bank.",
    "A slow green turtle walks under the old stone bridge, naïvely.",
    "Nobody saw the quick brown fox jumps over the lazy dog, or so they say.",
)
ANSWER = "They say the quick brown fox jumps over the lazy dog near the river bank, naïvely."
OPTIONS = TraceOptions(max_span_density=1.0)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_index(
        tmp_path_factory.mktemp("cluster") / "index", [TEXTS[:2], TEXTS[2:]], byte_level_tokenizer(TEXTS, 300)
    )


def untimed(trace: Trace) -> Trace:
    return replace(trace, timings=None)  # type: ignore[arg-type]


def http(url: str, body: Any = None) -> tuple[int, Any]:
    """Returns the status and the JSON of a GET, or of a POST of ``body``."""
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, content, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def run_the_examples_of_the_page(cluster: LocalCluster) -> None:
    """Runs every block of docs/api.md as it stands but for the addresses; grpcurl's where there is one."""
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    page = page.replace("http://127.0.0.1:8000", cluster.http_url).replace("127.0.0.1:9000", cluster.grpc_target)
    said = {}
    for language, code in re.findall(r"^```(sh|python)\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        program = code.split()[0] if language == "sh" else sys.executable
        if shutil.which(program) is None:
            continue
        command = ["sh", "-c", code] if language == "sh" else [program, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, code + done.stderr
        assert "about:blank" not in done.stdout
        assert '"detail"' not in done.stdout, done.stdout
        said[code] = done.stdout
    python = [output for code, output in said.items() if code.startswith("import")]
    assert len(python) == 6
    assert TEXTS[0] in python[3]
    assert "INVALID_ARGUMENT INVALID_REQUEST text is empty" in python[5]
    (streamed,) = [output for code, output in said.items() if code.startswith("curl -N")] or ["event: spans"]
    assert streamed.startswith("event: spans")


def administering_needs_a_key(cluster: LocalCluster) -> None:
    """Both faces have the calls of the AdminService, and let nobody in without a key file."""
    status, problem = http(f"{cluster.http_url}/v1/takedowns")
    assert (status, problem["type"]) == (403, "permission-denied")
    with grpc.insecure_channel(cluster.grpc_target) as channel, pytest.raises(grpc.RpcError) as raised:
        coordinator_pb2_grpc.AdminServiceStub(channel).ListTakedowns(pb.ListTakedownsRequest(), timeout=30)
    assert raised.value.code() is grpc.StatusCode.PERMISSION_DENIED  # type: ignore[attr-defined]


def test_grpc_and_http_through_ray_answer_as_the_embedded_index_does(index: Path) -> None:
    earlier = _descendants(os.getpid())
    with headwater.open(index) as opened:
        expected, described = untimed(opened.trace(ANSWER, "What?", OPTIONS)), opened.describe()
        counted, document = opened.count("the lazy dog"), opened.document("default:1:0")
    with LocalCluster(index) as cluster, headwater.connect(cluster.grpc_target) as remote:
        assert untimed(remote.trace(ANSWER, "What?", OPTIONS)) == expected
        assert remote.count("the lazy dog") == counted
        assert remote.document("default:1:0") == document
        assert remote.describe() == described
        with pytest.raises(InvalidRequestError, match="answer is empty"):
            remote.trace(" ")
        with pytest.raises(DocumentNotFoundError, match="there is no shard 9"):
            remote.document("default:9:0")

        body = {"answer": ANSWER, "prompt": "What?", "options": {"max_span_density": 1.0}}
        status, traced = http(f"{cluster.http_url}/v1/trace", body)
        assert (status, traced | {"timings": None, "cached": False}) == (200, to_json(expected))
        assert traced["cached"]  # gRPC has asked the same
        status, refused = http(f"{cluster.http_url}/v1/trace", {"answer": ""})
        assert (status, refused["type"]) == (400, "invalid-request")
        assert http(f"{cluster.http_url}/v1/documents/default:1:0") == (200, to_json(document))
        assert http(f"{cluster.http_url}/healthz") == (200, {"status": "serving"})
        administering_needs_a_key(cluster)
        run_the_examples_of_the_page(cluster)

        # A lost shard server: the trace says which shard is missing and goes on.
        os.kill(_server_of(cluster.shard_addresses[1]), signal.SIGKILL)
        coverage = remote.trace(ANSWER, "What else?", OPTIONS).coverage
        assert [failed.shard for failed in coverage.failed_shards] == [("default", 1)]
        assert not coverage.complete
        assert cluster.lost_shards() == [cluster.shard_addresses[1]]
    assert [process for process in _descendants(os.getpid()) if process not in earlier] == []
    with headwater.connect(cluster.grpc_target) as remote, pytest.raises(ShardUnavailableError, match="no coordinator"):
        remote.describe()


@pytest.mark.slow  # without Ray, test_serving_shards.py checks the same
def test_a_coordinator_refuses_shards_of_another_index_and_says_which(index: Path, tmp_path: Path) -> None:
    other = write_index(tmp_path / "other", [TEXTS[:1], TEXTS[1:]], byte_level_tokenizer(TEXTS, 300))

    async def run() -> subprocess.CompletedProcess[str]:
        async with shard_server(other) as address:
            cluster_file = write_cluster_file(tmp_path / "cluster.yaml", index, [address] * 2)
            ports = [
                "--grpc-port",
                unused_address().partition(":")[2],
                "--http-port",
                unused_address().partition(":")[2],
            ]
            command = [sys.executable, "-m", "coordinator", "--cluster-file", str(cluster_file), *ports]
            return await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=250)

    done = asyncio.run(run())
    assert done.returncode == 1
    reason = done.stderr.splitlines()[-1]
    assert re.match(
        r"coordinator cannot start: no server of shard default:0 .*: 127\.0\.0\.1:\d+: found index_id \w+, expected",
        reason,
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Ray's own, at its import
def test_serve_builds_the_application_from_the_arguments_of_its_config_file() -> None:
    from ray.serve._private.api import call_user_app_builder_with_args_if_necessary

    from coordinator.app import build

    arguments = {"cluster_file": "/c.yaml", "keys_file": "/keys.yaml", "num_replicas": 3}
    application = call_user_app_builder_with_args_if_necessary(build, arguments)
    assert application._bound_deployment.num_replicas == 3
    with pytest.raises(ValueError, match="colour"):
        call_user_app_builder_with_args_if_necessary(build, {"cluster_file": "/c.yaml", "colour": "blue"})
    open_to_all = {"cluster_file": "/c.yaml"}
    with pytest.raises(ConfigurationError, match=r"no keys_file: on a cluster .* or set insecure_public"):
        call_user_app_builder_with_args_if_necessary(build, open_to_all)
    call_user_app_builder_with_args_if_necessary(build, open_to_all | {"insecure_public": True})


def _server_of(address: str) -> int:
    """Returns the process that listens at an address of this machine."""
    port = int(address.rpartition(":")[2])
    for child in psutil.Process().children():
        if any(each.laddr.port == port for each in child.net_connections("tcp") if each.status == psutil.CONN_LISTEN):
            return child.pid
    raise AssertionError(f"nothing of ours listens at {address}")


def _descendants(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


@pytest.mark.parametrize("port_option", ["--grpc-port", "--http-port"])
def test_a_port_in_use_is_refused_before_anything_starts(index: Path, port_option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [*_SERVE, "--index", str(index), port_option, str(port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert f"127.0.0.1:{port}: cannot listen there" in done.stderr
    assert "starting" not in done.stderr


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("host.invalid", "host 'host.invalid' cannot be resolved; --host takes an address of this machine"),
        # Set aside for documentation (RFC 5737), so no machine has it.
        ("203.0.113.9", "203.0.113.9 is not an address of this machine"),
    ],
)
def test_a_host_that_is_not_this_machine_is_refused_without_advice_on_ports(
    index: Path, host: str, message: str
) -> None:
    with pytest.raises(LocalClusterError, match=re.escape(message)) as raised:
        LocalCluster(index, host=host).start()
    assert "--grpc-port" not in str(raised.value)


def test_a_port_that_another_cluster_shares_is_refused(index: Path) -> None:
    with socket.socket() as shared:
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        shared.bind(("127.0.0.1", 0))
        shared.listen()
        with pytest.raises(LocalClusterError, match="cannot listen there"):
            LocalCluster(index, grpc_port=shared.getsockname()[1]).start()


_SERVE = [sys.executable, "-m", "headwater.cli", "serve"]


class Family:
    """A ``headwater serve`` and every process that it ever had."""

    def __init__(self, index: Path):
        self.process = subprocess.Popen(
            [*_SERVE, "--index", str(index), "--grpc-port", "0", "--http-port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.seen: set[psutil.Process] = set()

    def grow_until(self, name: str) -> None:
        """Waits until a process of that name is among the descendants."""
        deadline = time.monotonic() + 200
        while time.monotonic() < deadline:
            self.seen.update(_descendants(self.process.pid))
            if any(_is_called(process, name) for process in self.seen):
                return
            time.sleep(0.1)
        raise AssertionError(f"no process called {name} within 200 s")

    def left(self, patience_s: float) -> list[psutil.Process]:
        """Returns the processes that are still alive, after some patience."""
        return psutil.wait_procs(list(self.seen), timeout=patience_s)[1]


def _is_called(process: psutil.Process, name: str) -> bool:
    try:
        return name in " ".join([process.name(), *process.cmdline()])
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def family(index: Path) -> Iterator[Family]:
    started = Family(index)
    yield started
    if started.process.stdout is not None:
        started.process.stdout.close()
    for process in started.seen:
        if process.is_running():
            process.kill()
    started.process.kill()
    started.process.wait()


@pytest.mark.parametrize(
    "name", ["shard_server", "gcs_server", pytest.param("ServeController", marks=pytest.mark.slow)]
)
def test_ctrl_c_while_starting_leaves_no_process(family: Family, name: str) -> None:
    family.grow_until(name)
    family.process.send_signal(signal.SIGINT)
    assert family.process.wait(60) == 130
    assert family.left(30.0) == []


def test_ctrl_c_while_serving_leaves_no_process(family: Family) -> None:
    assert family.process.stdout is not None
    said = ""
    for line in family.process.stdout:
        said += line
        family.seen.update(_descendants(family.process.pid))
        if line.startswith("Ctrl-C stops it"):
            break
    (described_at,) = re.findall(r"described at (http://\S+)\)", said)
    status, page = http(described_at)
    assert (status, page["info"]["title"]) == (200, "Headwater")
    assert any(_is_called(process, "raylet") for process in family.seen)
    family.process.send_signal(signal.SIGINT)
    assert family.process.wait(60) == 0
    assert family.left(30.0) == []


def test_a_killed_supervisor_takes_its_processes_along(family: Family) -> None:
    family.grow_until("ServeController")
    family.process.kill()
    family.process.wait()
    assert family.left(30.0) == []
