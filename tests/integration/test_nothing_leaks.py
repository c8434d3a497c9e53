"""No text of a prompt, an answer or a document in logs, metrics, otel_spans, error details or output of processes.

The texts hold words that occur nowhere else. They go the whole way, at the level debug and with traces on, through
requests that succeed, requests that are refused, shards that fail and bugs; then everything is searched for them.
"""

import asyncio
import io
import json
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as otlp_grpc
from prometheus_client import generate_latest

import coordinator.pipeline
import headwater
from bench.fuzz.served import AsgiClient
from coordinator.access.keyring import new_key
from coordinator.api.http_api import create_api
from coordinator.errors import CoordinatorError
from coordinator.requests import TraceOptions
from protos.coordinator.v1 import coordinator_pb2 as pb
from runtime import telemetry
from runtime.logs import JsonFormatter
from tests.api_keys import bearer, holder, write_key_file
from tests.integration.shard_calls import SlowShard, slow_document, status_of
from tests.running_servers import coordinator as coordinator_over
from tests.running_servers import shard_process, shard_server, stub_of
from tests.served_coordinator import serving
from tests.tiny_index import byte_level_tokenizer, write_index

PROMPT, ANSWER, DOCUMENT = "zqpromptqz", "zqanswerqz", "zqdocumentqz"
KEY, WRONG_KEY = new_key(), new_key()
CANARIES = (PROMPT, ANSWER, DOCUMENT, KEY, WRONG_KEY)
TEXTS = (
    f"The quick brown fox {DOCUMENT} jumps over the lazy dog near the river bank.",
    f"A slow green turtle {DOCUMENT} walks under the old stone bridge.",
)
ASKED = f"They say {ANSWER} that the quick brown fox {DOCUMENT} jumps over the lazy dog."
ASKED_OF = f"What of {PROMPT}?"


class Collector(otlp_grpc.TraceServiceServicer):  # type: ignore[misc]
    """Keeps every otel_span that arrives, as it came."""

    def __init__(self) -> None:
        self.exports: list[Any] = []

    def Export(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.exports.append(request)
        return otlp.ExportTraceServiceResponse()


@pytest.fixture
def collector() -> Iterator[tuple[Collector, str]]:
    kept, server = Collector(), grpc.server(ThreadPoolExecutor(2))
    otlp_grpc.add_TraceServiceServicer_to_server(kept, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield kept, f"http://127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What this process logs at the level debug, that of libraries included."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_index(
        tmp_path_factory.mktemp("leaks") / "index", [TEXTS[:1], TEXTS[1:]], byte_level_tokenizer(TEXTS, 300)
    )


async def refused_over_http(client: AsgiClient) -> list[str]:
    """Returns what requests that cannot be answered get."""
    bodies: list[bytes] = [
        json.dumps({"answer": [ASKED]}).encode(),
        json.dumps({"answer": ASKED, "prompt": {ASKED_OF: 1}}).encode(),
        json.dumps({"answer": ASKED * 10_000}).encode(),
        json.dumps({"answer": ASKED, "options": {"delimiters": [ASKED * 9]}}).encode(),
        json.dumps({"answer": ASKED, "options": ASKED_OF}).encode(),
        json.dumps({"answer": ASKED + "\ud800"}).encode(),
        json.dumps({"answer": ASKED, "timeout_ms": ASKED}).encode(),
        b'{"answer": "' + ASKED.encode() + b"\n",
        b"\xff" + ASKED.encode(),
    ]
    told = []
    for path in (b"trace", b"trace/stream"):
        for body in bodies:
            status, content = await client.answer(b"POST /v1/" + path, body, KEY)
            assert 400 <= status < 500, (status, content)
            told.append(content.decode())
    return told


async def refused_over_grpc(address: str) -> list[str]:
    """Returns the details and the trailing metadata of requests that cannot be answered."""
    requests = [
        pb.TraceRequest(answer=ASKED * 10_000),
        pb.TraceRequest(answer=ASKED, options=pb.TraceOptions(delimiters=pb.Delimiters(texts=[ASKED * 9]))),
        pb.TraceRequest(answer=ASKED, options=pb.TraceOptions(max_span_density=7)),
    ]
    contents = [request.SerializeToString() for request in requests]
    contents += [contents[0][:-5], b"\x0a\x04\xff\xfe\xff\xfe" + ASKED.encode()]
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.unary_unary("/protos.coordinator.v1.CoordinatorService/Trace")
        told = [await failure_of(call(content, timeout=20, metadata=bearer(KEY))) for content in contents]
        return [
            *told,
            await failure_of(call(pb.TraceRequest(answer=ASKED).SerializeToString(), metadata=bearer(WRONG_KEY))),
        ]


async def failure_of(call: Any) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return f"{raised.value.details()} {raised.value.trailing_metadata()} {raised.value.debug_error_string()}"


def told_by(call: Callable[[], Any]) -> str:
    with pytest.raises(CoordinatorError) as raised:
        call()
    return str(raised.value)


def broken(*arguments: Any, **_named: Any) -> Any:
    """Stands where a step is, and quotes what it was given as a careless library would."""
    raise ValueError(f"cannot work on {arguments}") from KeyError(ASKED + ASKED_OF)


class BrokenShard(SlowShard):
    def __init__(self, error: BaseException):
        super().__init__()
        self._error = error

    def document(self, number: int, start: int, max_tokens: int) -> Any:
        raise self._error


class Panic(BaseException):
    """Is raised where the engine breaks off, and is no `Exception`."""


async def ask_of_broken_shards(index: Path) -> list[str]:
    """Returns what a shard server tells of bugs in the middle of a call."""
    told = []
    for error in (ValueError(TEXTS[0]), Panic(TEXTS[0])):
        opened = BrokenShard(error).opened(index)
        async with shard_server(index, opened=opened) as address, stub_of(address) as stub:
            told.append((await status_of(stub.GetDocument(slow_document(index))))[1])
    return told


def test_no_text_leaves_by_any_other_way_than_the_answer(
    tmp_path: Path,
    index: Path,
    collector: tuple[Collector, str],
    log: io.StringIO,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept, endpoint = collector
    told: dict[str, str] = {}
    keys_file = write_key_file(tmp_path / "keys.yaml", holder(KEY, "trace", "read-document", id="page"))
    settings = {"log_level": "debug", "otel_endpoint": endpoint, "slow_call_s": 0}

    async def scene() -> None:
        async with AsyncExitStack() as stack:
            servers = [stack.enter_context(shard_process(index, number, **settings)) for number in (0, 1)]
            places = [server.address for server in servers]
            opened = await stack.enter_async_context(
                coordinator_over(tmp_path, index, places, result_cache_bytes=1 << 20, keys_file=keys_file)
            )
            address = await stack.enter_async_context(serving(opened))
            client = AsgiClient(create_api(lambda: opened, lambda: 1 << 20))
            remote = stack.enter_context(headwater.connect(address, api_key=KEY))

            def ask(seed: int = 0, **how: Any) -> Any:
                return remote.trace(ASKED, ASKED_OF, TraceOptions(max_span_density=1.0, seed=seed), **how)

            async def away(call: Callable[[], Any]) -> Any:
                return await asyncio.to_thread(call)

            trace = await away(ask)
            assert any(DOCUMENT in str(document) for document in trace.documents), "or nothing is tested"
            await away(ask)  # from the cache
            await away(lambda: list(remote.trace_stream(ASKED, ASKED_OF)))
            await away(lambda: remote.count(ASKED))
            assert DOCUMENT in (await away(lambda: remote.document(trace.documents[0].id))).text
            body = json.dumps({"answer": ASKED, "prompt": ASKED_OF}).encode()
            assert (await client.answer(b"POST /v1/trace", body, KEY))[0] == 200
            status, content = await client.answer(b"POST /v1/trace", body, WRONG_KEY)
            assert status == 401
            told["a wrong key, over HTTP"] = content.decode()
            told["refused over HTTP"] = "\n".join(await refused_over_http(client))
            told["refused over gRPC"] = "\n".join(await refused_over_grpc(address))
            with monkeypatch.context() as patched:
                patched.setattr(coordinator.pipeline, "tokenize", broken)
                told["a bug, over gRPC"] = await away(lambda: told_by(lambda: ask(1)))
                status, content = await client.answer(b"POST /v1/trace", body.replace(b"They", b"Some"), KEY)
                assert status == 500
                told["a bug, over HTTP"] = content.decode()
            servers[1].kill()
            told["a shard that died"] = await away(lambda: told_by(lambda: ask(2, require_complete=True)))
            servers[0].process.terminate()  # it sends its otel_spans before it ends
            await away(lambda: servers[0].process.wait(60))
            told["metrics"] = generate_latest(opened.metrics.registry).decode()
        told["bugs of a shard server"] = "\n".join(await ask_of_broken_shards(index))

    shut_down = telemetry.set_up("headwater-coordinator", endpoint)
    try:
        asyncio.run(scene())
    finally:
        shut_down()
    output = capfd.readouterr()
    told["log"] = log.getvalue()
    told["output"] = output.out + output.err
    told["otel_spans"] = "\n".join(map(str, kept.exports))
    for where, text in told.items():
        assert text, f"{where}: nothing was written, so nothing is tested"
        for canary in CANARIES:
            assert canary not in text, f"{where}: {text[max(0, text.index(canary) - 300) :][:600]}"
    assert "ValueError" in told["log"]
    assert '"event": "slow call"' in told["output"]
    assert "headwater-coordinator" in told["otel_spans"]
    assert "headwater-shard" in told["otel_spans"]
