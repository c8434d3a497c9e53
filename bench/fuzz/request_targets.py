"""What comes over the network: the messages of both services, bodies of HTTP, answers of shards, lines of probes."""

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError, Message

import headwater
from bench.fuzz.served import AsgiClient, served_coordinator
from bench.fuzz.structure import Structured, changed_json, changed_messages
from bench.fuzz.target import Target, Workplace
from coordinator.api.json_codec import parse_document_id
from coordinator.api.request_codec import decode_count_request, decode_trace_request
from coordinator.cluster.shard_codec import decode_document, decode_held, decode_matches, decode_windows
from coordinator.errors import CoordinatorError
from coordinator.values import Query, ShardId, WindowQuery
from index_format.layout import TOKENIZED, shard_folder
from index_format.manifest import IndexManifest
from protos.coordinator.v1 import coordinator_pb2
from protos.shard.v1 import shard_pb2
from runtime.listener import Listener, Readiness
from shard_server import codec
from shard_server.config import ShardServerConfig
from shard_server.errors import ShardServerError
from shard_server.shards import open_shards
from suffix_engine import EngineError

_ANSWER = "the quick brown fox jumps over the lazy dog, as they say"


def _numbers(kind: str, *numbers: int) -> bytes:
    return np.array(numbers, dtype=kind).tobytes()


def _tagged(seeds: dict[str, Message]) -> list[bytes]:
    """Returns the messages with the number of their method in front."""
    return [bytes([number]) + seed.SerializeToString() for number, seed in enumerate(seeds.values())]


def _changed(seeds: dict[str, Message]) -> Structured:
    return changed_messages([type(seed) for seed in seeds.values()])


def shard_requests(place: Workplace) -> Target:
    """Messages to a shard server, answered by the engine."""
    config = ShardServerConfig(index=Path(place.index), search_threads=1)
    shards = open_shards(config)
    index_id = shards.index.index_id
    text = np.fromfile(Path(place.index) / shard_folder(0) / TOKENIZED, dtype=f"<u{shards.index.token_width}")
    token_ids = _numbers("<u4", *text[1:40][text[1:40] != np.iinfo(text.dtype).max].tolist())
    seeds: dict[str, Message] = {
        "longest_matches": shard_pb2.LongestMatchesRequest(
            index_id=index_id, token_ids=token_ids, word_starts=_numbers("<u4", *range(20)), cuts=_numbers("<u4", 9)
        ),
        "get_windows": shard_pb2.GetWindowsRequest(
            index_id=index_id,
            ranks=_numbers("<u8", 0, 7, 30),
            lengths=_numbers("<u4", 1, 2, 3),
            context_tokens=20,
            snippet_tokens=9,
        ),
        "get_document": shard_pb2.GetDocumentRequest(index_id=index_id, document=1, start=2, max_tokens=50),
        "describe": shard_pb2.DescribeRequest(),
    }
    methods: list[tuple[type[Message], Callable[..., Message]]] = [
        (type(seed), getattr(codec, name)) for name, seed in seeds.items()
    ]

    def run(content: bytes) -> None:
        kind, answer = methods[content[0] % len(methods)] if content else methods[0]
        with contextlib.suppress(DecodeError, EngineError, ShardServerError):
            answer(kind.FromString(content[1:]), shards, config).SerializeToString()

    return Target(run, _tagged(seeds), (index_id.encode(), b"\xff" * 8, bytes(8)), _changed(seeds))


def coordinator_requests(place: Workplace) -> Target:
    """Messages to a coordinator, traced on an index in this process."""
    index = headwater.open(place.index)
    options = coordinator_pb2.TraceOptions(min_span_tokens=1, max_count=5, max_span_density=1.0, seed=3)
    seeds: dict[str, Message] = {
        "trace": coordinator_pb2.TraceRequest(answer=_ANSWER, prompt="what is said", options=options, timeout_ms=100),
        "count": coordinator_pb2.CountRequest(text="quick brown", corpora=["default"]),
        "document": coordinator_pb2.GetDocumentRequest(id="default:0:1", start=1, max_tokens=20),
    }

    def trace(content: bytes) -> None:
        wanted = decode_trace_request(coordinator_pb2.TraceRequest.FromString(content))
        index.trace(wanted.answer, wanted.prompt, wanted.options, corpora=wanted.corpora)

    def count(content: bytes) -> None:
        wanted = decode_count_request(coordinator_pb2.CountRequest.FromString(content))
        index.count(wanted.text, corpora=wanted.corpora)

    def document(content: bytes) -> None:
        request = coordinator_pb2.GetDocumentRequest.FromString(content)
        index.document(parse_document_id(request.id), request.start, request.max_tokens)

    methods = (trace, count, document)

    def run(content: bytes) -> None:
        with contextlib.suppress(DecodeError, CoordinatorError):
            methods[content[0] % len(methods) if content else 0](content[1:])

    return Target(run, _tagged(seeds), (b"default", b":", b"0"), _changed(seeds))


def shard_answers(place: Workplace) -> Target:
    """Answers of a shard server to a coordinator, which a damaged or a foreign one may send."""
    shard = ShardId("default", 0)
    five = np.arange(5, dtype=np.uint32)
    query = Query("a b c", five, np.arange(6, dtype=np.uint32), five, five[:0])
    windows = WindowQuery((3, 4), ((1, 2), (3,)), 9, 3)
    index = IndexManifest.load(Path(place.index))
    two = _numbers("<u8", 1, 2)
    seeds: dict[str, Message] = {
        "matches": shard_pb2.LongestMatchesResponse(
            starts=_numbers("<u4", 0, 2),
            ends=_numbers("<u4", 2, 5),
            rank_starts=_numbers("<u8", 1, 7),
            rank_ends=_numbers("<u8", 3, 9),
            unigram_counts=_numbers("<u8", 1, 2, 3, 4, 5),
            num_tokens=99,
        ),
        "windows": shard_pb2.GetWindowsResponse(
            documents=two,
            document_lengths=two,
            starts=two,
            ends=two,
            match_starts=two,
            match_token_ids=_numbers("<u4", 1, 2, 3),
            texts=["some text", "more"],
            match_chars=_numbers("<u4", 0, 4, 1, 2),
            snippet_chars=_numbers("<u4", 0, 4, 1, 2),
            metadata=['{"path": "a", "linenum": 1, "metadata": {"url": "https://a.example"}}', "{}"],
        ),
        "document": shard_pb2.GetDocumentResponse(document_length=9, end=3, text="text", metadata='{"source": "x"}'),
        "describe": shard_pb2.DescribeResponse(shards=[shard_pb2.Shard(index_id=index.index_id, num_tokens=5)]),
    }
    readers: tuple[Callable[[bytes], object], ...] = (
        lambda content: decode_matches(shard, query, shard_pb2.LongestMatchesResponse.FromString(content)),
        lambda content: decode_windows(shard, windows, shard_pb2.GetWindowsResponse.FromString(content)),
        lambda content: decode_document(shard, "", 1, shard_pb2.GetDocumentResponse.FromString(content)),
        lambda content: decode_held(shard_pb2.DescribeResponse.FromString(content)),
    )

    def run(content: bytes) -> None:
        with contextlib.suppress(DecodeError, CoordinatorError):
            readers[content[0] % len(readers) if content else 0](content[1:])

    return Target(run, _tagged(seeds), structured=_changed(seeds))


def http_requests(place: Workplace) -> Target:
    """Requests to the HTTP face of a coordinator that asks a shard server: method, path and body on a line each."""
    runner = asyncio.Runner()
    client: AsgiClient = runner.run(served_coordinator(Path(place.index), Path(place.folder)))
    trace = {"answer": _ANSWER, "prompt": "what", "options": {"min_span_tokens": 1, "seed": 3}, "corpora": ["default"]}
    seeds = [
        b"POST /v1/trace\n" + json.dumps(trace).encode(),
        b"POST /v1/trace/stream\n" + json.dumps(trace).encode(),
        b"POST /v1/count\n" + json.dumps({"text": "quick brown", "timeout_ms": 50}).encode(),
        b"GET /v1/documents/default:0:1?start=1&max_tokens=5\n",
        b"GET /v1/describe\n",
        b"GET /readyz\n",
        b"GET /openapi.json\n",
    ]

    def run(content: bytes) -> None:
        line, _, body = content.partition(b"\n")
        status, _ = runner.run(client.answer(line, body))
        assert status < 500 or status in (503, 504), f"status {status}"

    words = (b"?", b"&", b"%00", b"%", b"options", b"timeout_ms", b"context_tokens")
    return Target(run, seeds, words, changed_json(lambda content: content.find(b"\n") + 1))


def probe_requests(_place: Workplace) -> Target:
    """Bytes sent to the listener of probes and metrics, over its socket."""
    from prometheus_client import CollectorRegistry

    listener = Listener("127.0.0.1:0", registry=CollectorRegistry(), readiness=lambda: Readiness(True), client_s=5)
    host, _, port = listener.address.rpartition(":")
    seeds = [
        f"{method} /{path} HTTP/1.1\r\nHost: x\r\nAccept: {kind}\r\n\r\n".encode()
        for method in ("GET", "HEAD")
        for path, kind in (("metrics", "application/openmetrics-text; version=1.0.0"), ("readyz", "*/*"))
    ]

    def run(content: bytes) -> None:
        with socket.create_connection((host, int(port)), 10) as client:
            try:
                client.sendall(content)
                client.shutdown(socket.SHUT_WR)
                answer = b""
                while part := client.recv(4096):
                    answer += part
            except (ConnectionError, BrokenPipeError):
                return
        assert not answer or answer.startswith(b"HTTP/1.1 "), answer[:40]
        assert b" 500 " not in answer[:20], answer[:200]

    return Target(run, seeds, (b"\r\n", b"\r\n\r\n", b"text/plain; escaping=", b"version=0.0.4", b";", b"q="))


def metadata_lines(_place: Workplace) -> Target:
    """Metadata of documents, which whoever wrote a page of the web may have chosen."""
    from coordinator.steps.metadata import parse_metadata, source_of, url_of

    seeds = [
        b'{"path": "a.jsonl", "linenum": 7, "metadata": {"url": "https://a.example/x?y", "source": "web", "n": 1.5e3}}',
        b'{"source": "web", "url": "http://b.example", "tags": ["a", {"b": null}], "\\ud83d\\ude00": "\\ud800"}',
        b"not JSON at all",
    ]

    def run(content: bytes) -> None:
        found: Any = parse_metadata(content.decode(errors="replace"))
        source_of(found).encode()
        url_of(found).encode()
        json.dumps(found, allow_nan=False, ensure_ascii=False).encode()

    words = (b'"url"', b'"source"', b'"metadata"', b"\\udc00", b"1e309", b"-Infinity")
    return Target(run, seeds, words, changed_json())
