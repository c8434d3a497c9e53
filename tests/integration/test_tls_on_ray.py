"""The public endpoints over mutual TLS, before Ray Serve: who gets in, and certificates replaced while it serves."""

import contextlib
import http.client
import json
import ssl
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import grpc
import psutil
import pytest

import headwater
from bench.certificates import Authority, Identity
from coordinator.api.json_codec import to_json
from coordinator.errors import ShardUnavailableError
from coordinator.requests import TraceOptions
from coordinator.results import Trace
from headwater.local_cluster import LocalCluster
from headwater.remote import RemoteIndex
from protos.coordinator.v1 import coordinator_pb2 as pb
from protos.coordinator.v1.coordinator_pb2_grpc import CoordinatorServiceStub
from runtime.exposure import is_loopback
from tests.tiny_index import byte_level_tokenizer, write_index

# Ray takes about 15 s to start on two idle cores, and several times that on busy ones.
pytestmark = pytest.mark.timeout(300)

TEXTS = (
    "The quick brown fox jumps over the lazy dog near the river bank.",
    "A slow green turtle walks under the old stone bridge, naïvely.",
)
ANSWER = "They say the quick brown fox jumps over the lazy dog near the river bank, naïvely."
OPTIONS = TraceOptions(max_span_density=1.0)


def untimed(trace: Trace) -> Trace:
    return replace(trace, timings=None)  # type: ignore[arg-type]


def connected(cluster: LocalCluster, ca: Path, client: Identity | None) -> RemoteIndex:
    own = {"certificate": client.certificate, "key": client.key} if client else {}
    return headwater.connect(cluster.grpc_target, ca=ca, **own)  # type: ignore[arg-type]


def asked(cluster: LocalCluster, authority: Authority, client: Identity | None) -> str:
    """Returns OK if a call gets through, else what its caller is told."""
    with connected(cluster, authority.path, client) as remote:
        try:
            remote.count("the lazy dog")
        except ShardUnavailableError as error:
            return str(error)
    return "OK"


def https(url: str, authority: Authority, client: Identity | None, body: object) -> tuple[int, object]:
    context = ssl.create_default_context(cafile=str(authority.path))
    if client is not None:
        context.load_cert_chain(client.certificate, client.key)
    content = json.dumps(body).encode()
    request = urllib.request.Request(url, content, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60, context=context) as response:
        return response.status, json.load(response)


def test_both_public_endpoints_speak_tls_only_to_those_with_a_certificate(tmp_path: Path) -> None:
    index = write_index(tmp_path / "index", [TEXTS], byte_level_tokenizer(TEXTS, 300))
    ours, theirs = (Authority(tmp_path, name) for name in ("ours", "theirs"))
    server, client = ours.issue("server"), ours.issue("client")
    of_others, of_tomorrow = theirs.issue("other"), theirs.issue("tomorrow")
    settings = {"tls_cert": server.certificate, "tls_key": server.key, "tls_client_ca": ours.path}
    with headwater.open(index) as opened:
        expected = untimed(opened.trace(ANSWER, "What?", OPTIONS))
    # As in any rotation, this client trusts the next CA before the server has a certificate of it.
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(ours.path.read_bytes() + theirs.path.read_bytes())
    with LocalCluster(index, coordinator_settings=settings) as cluster:
        assert cluster.http_url.startswith("https://127.0.0.1:")
        with connected(cluster, trusted, client) as kept:
            assert untimed(kept.trace(ANSWER, "What?", OPTIONS)) == expected
            body = {"answer": ANSWER, "prompt": "What?", "options": {"max_span_density": 1.0}}
            status, traced = https(f"{cluster.http_url}/v1/trace", ours, client, body)
            assert status == 200
            assert isinstance(traced, dict)
            assert traced | {"timings": None, "cached": False} == to_json(expected)

            for stranger in (None, of_others):
                assert "TLS" in asked(cluster, ours, stranger)
                with pytest.raises(OSError):
                    https(f"{cluster.http_url}/v1/trace", ours, stranger, body)
            assert "no CA that is trusted here vouches for the server's certificate" in asked(cluster, theirs, client)
            with headwater.connect(cluster.grpc_target) as plain, pytest.raises(ShardUnavailableError, match="TLS"):
                plain.count("the lazy dog")
            with pytest.raises(OSError):
                urllib.request.urlopen(cluster.http_url.replace("https", "http") + "/healthz", timeout=60)
            assert answers_past_tls(cluster) == []

            # Another server certificate, and another CA for callers, take over without a restart.
            with no_call_fails(kept):
                server.key.write_bytes(of_tomorrow.key.read_bytes())
                server.certificate.write_bytes(of_tomorrow.certificate.read_bytes())
                ours.path.write_bytes(trusted.read_bytes())
                deadline = time.monotonic() + 60
                while (said := asked(cluster, theirs, of_others)) != "OK":
                    assert time.monotonic() < deadline, said
                    time.sleep(0.2)
                assert asked(cluster, theirs, client) == "OK"


@contextlib.contextmanager
def no_call_fails(remote: RemoteIndex) -> Iterator[None]:
    """Calls again and again while the block runs and once after it; the first call that fails is raised."""
    is_over = threading.Event()

    def call() -> None:
        while True:
            is_last = is_over.is_set()
            assert remote.count(" the lazy dog").count == 1
            if is_last:
                return
            time.sleep(0.05)

    with ThreadPoolExecutor(1) as executor:
        calling = executor.submit(call)
        try:
            yield
        finally:
            is_over.set()
        calling.result()


def answers_past_tls(cluster: LocalCluster) -> list[str]:
    """Returns the processes of which a port that others reach answers a call without TLS."""
    found = []
    for process in psutil.Process().children(recursive=True):
        for each in process.net_connections("tcp"):
            # A socket of both families on 127.0.0.1, as gRPC opens it, is ::ffff:127.0.0.1.
            is_public = not is_loopback(each.laddr.ip.removeprefix("::ffff:"))
            if each.status == psutil.CONN_LISTEN and is_public and answers(each.laddr.port):
                found.append(f"{process.name()} {each.laddr}")
    return found


def answers(port: int) -> bool:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            CoordinatorServiceStub(channel).Count(pb.CountRequest(text="dog"), timeout=2)
            return True
        except grpc.RpcError as error:
            # Whatever the coordinator itself says, it would have said past TLS.
            if error.code() is grpc.StatusCode.INVALID_ARGUMENT:  # type: ignore[attr-defined]
                return True
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/describe", timeout=2) as response:
            return "corpora" in json.load(response)
    except (OSError, ValueError, http.client.HTTPException):  # Ray's metrics answer any path, and not with JSON
        return False
