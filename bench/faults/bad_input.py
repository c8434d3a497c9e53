"""Callers that send what no caller should: each is told so, and nobody else notices."""

import http.client
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import grpc
import numpy as np

from bench.faults.cluster import FaultCluster
from bench.faults.raw_call import call_raw
from bench.faults.scenario import Scenario
from bench.faults.slow_loris import SlowLoris
from bench.faults.timeline import Timeline
from index_format.manifest import IndexManifest
from protos.coordinator.v1 import coordinator_pb2 as pb
from protos.shard.v1 import shard_pb2

_COORDINATOR = "/protos.coordinator.v1.CoordinatorService/"
_SHARD = "/protos.shard.v1.ShardService/"
_TIMEOUT_S = 10.0
_OVERSIZED_BYTES = 80 * 1024 * 1024
_LORIS_S = 10.0
# A number of field 1 whose length runs past the end.
_MALFORMED = b"\x0a\xff\xff\xff\x7f" + b"no protobuf"
# grpcio 1.85 decodes it where nothing catches the error.
_METHOD_NOT_UTF8 = b"/\xff\xfe/Trace"

_CALLERS_FAULT = {"INVALID_ARGUMENT"}
_TOO_LARGE = {"INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"}


def malformed(cluster: FaultCluster, timeline: Timeline) -> Sequence[str]:
    """Sends bytes that are no message, text that is no JSON, many times over."""
    timeline.strike()
    wrong = []
    for _ in range(20):
        wrong += _expect_of_coordinator(cluster, _MALFORMED, _CALLERS_FAULT)
        wrong += _expect(cluster.replicas[0][0].listen, f"{_SHARD}LongestMatches", _MALFORMED, _CALLERS_FAULT)
        wrong += _expect_http(cluster, b"{no json", {400, 422})
    return tuple(dict.fromkeys(wrong))


def unreadable_method(cluster: FaultCluster, timeline: Timeline) -> Sequence[str]:
    """Calls a method whose name is no text, on the coordinator and on a replica of each shard."""
    timeline.strike()
    for _ in range(5):
        for endpoint in (_grpc_endpoint(cluster), *(replicas[0].endpoint for replicas in cluster.replicas)):
            call_raw(endpoint, _METHOD_NOT_UTF8)
        time.sleep(1.0)
    return ()


def oversized(cluster: FaultCluster, timeline: Timeline) -> Sequence[str]:
    """Sends messages larger than any limit."""
    timeline.strike()
    text = "x" * _OVERSIZED_BYTES
    message = pb.TraceRequest(answer=text).SerializeToString()
    query = shard_pb2.LongestMatchesRequest(shard=0, token_ids=text.encode()).SerializeToString()
    return (
        *_expect_of_coordinator(cluster, message, _TOO_LARGE),
        *_expect(cluster.replicas[0][0].listen, f"{_SHARD}LongestMatches", query, _TOO_LARGE),
        *_expect_http(cluster, b'{"answer": "' + b"x" * _OVERSIZED_BYTES + b'"}', {413}),
    )


def wrong_tokens(cluster: FaultCluster, timeline: Timeline) -> Sequence[str]:
    """Asks a shard server for token ids past the vocabulary, for arrays cut short, and for ranks that are not there."""
    timeline.strike()
    index_id = IndexManifest.load(cluster.indexes.copies[0]).index_id
    past = np.array([2**31, 5, 2**32 - 1], dtype="<u4").tobytes()
    windows = shard_pb2.GetWindowsRequest(
        shard=0,
        index_id=index_id,
        ranks=np.array([2**63], dtype="<u8").tobytes(),
        lengths=np.array([5], dtype="<u4").tobytes(),
        context_tokens=2**31,
        snippet_tokens=40,
    )
    queries = [
        ("LongestMatches", shard_pb2.LongestMatchesRequest(shard=0, index_id=index_id, token_ids=past)),
        ("LongestMatches", shard_pb2.LongestMatchesRequest(shard=0, index_id=index_id, token_ids=past[:-3])),
        ("LongestMatches", shard_pb2.LongestMatchesRequest(shard=0, index_id=index_id)),
        ("GetWindows", windows),
    ]
    wrong = []
    for _ in range(20):
        for rpc, query in queries:
            content = query.SerializeToString()
            wrong += _expect(cluster.replicas[0][0].listen, f"{_SHARD}{rpc}", content, _CALLERS_FAULT)
    return tuple(dict.fromkeys(wrong))


def slow_loris(cluster: FaultCluster, timeline: Timeline) -> Sequence[str]:
    """Opens a hundred connections each to the coordinator, by gRPC and HTTP, and to the shard servers."""
    timeline.strike()
    with _bothered(cluster):
        time.sleep(_LORIS_S)
    return ()


def all_at_once(cluster: FaultCluster, timeline: Timeline) -> Sequence[str]:
    """Sends malformed messages and wrong token ids, while slow callers hold their connections."""
    with _bothered(cluster):
        wrong = (*malformed(cluster, timeline), *wrong_tokens(cluster, timeline))
        time.sleep(_LORIS_S / 2)
    return wrong


@contextmanager
def _bothered(cluster: FaultCluster) -> Iterator[None]:
    host, grpc_port = _grpc_endpoint(cluster)
    http_port = int(cluster.coordinator.http_url.rpartition(":")[2])
    servers = [replica.endpoint for replicas in cluster.replicas for replica in replicas]
    with (
        SlowLoris([(host, grpc_port)], 100, http2=True),
        SlowLoris([(host, http_port)], 100, http2=False),
        SlowLoris(servers, 100, http2=True),
    ):
        yield


def _grpc_endpoint(cluster: FaultCluster) -> tuple[str, int]:
    host, _, port = cluster.coordinator.target.rpartition(":")
    return host, int(port)


def _expect_of_coordinator(cluster: FaultCluster, message: bytes, statuses: set[str]) -> list[str]:
    return _expect(cluster.coordinator.target, f"{_COORDINATOR}Trace", message, statuses, cluster.metadata)


def _expect(
    target: str, method: str, message: bytes, statuses: set[str], metadata: tuple[tuple[str, str], ...] = ()
) -> list[str]:
    """Sends a message as it is; returns what is wrong with the status that comes back."""
    options = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(target, options=options) as channel:
        try:
            channel.unary_unary(method, None, None)(message, timeout=_TIMEOUT_S, metadata=metadata)
        except grpc.RpcError as error:
            found = error.code().name
            return [] if found in statuses else [_complaint(method, len(message), found, statuses)]
    return [_complaint(method, len(message), "OK", statuses)]


def _expect_http(cluster: FaultCluster, body: bytes, statuses: set[int]) -> list[str]:
    """Posts a body; returns what is wrong with the status that comes back."""
    connection = http.client.HTTPConnection(cluster.coordinator.http_url.removeprefix("http://"), timeout=_TIMEOUT_S)
    try:
        connection.request("POST", "/v1/trace", body, {"content-type": "application/json", **dict(cluster.metadata)})
        found: object = connection.getresponse().status
    except OSError as error:
        # A server may hang up on a body that its head says is too large, before it has all been sent.
        found = 413 if isinstance(error, (BrokenPipeError, ConnectionResetError)) else type(error).__name__
    finally:
        connection.close()
    return [] if found in statuses else [_complaint("POST /v1/trace", len(body), found, statuses)]


def _complaint(what: str, size: int, found: object, wanted: set[str] | set[int]) -> str:
    return f"{what} of {size} bytes: {found}, expected {' or '.join(sorted(map(str, wanted)))}"


SCENARIOS = (
    Scenario("malformed messages", malformed),
    Scenario("a method that is no text", unreadable_method),
    Scenario("oversized messages", oversized),
    Scenario("wrong token ids and ranks", wrong_tokens),
    Scenario("100 slow-loris connections to each face", slow_loris),
)
