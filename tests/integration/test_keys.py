"""Keys on the real gRPC and HTTP faces of a coordinator, over a real shard server."""

import asyncio
import contextlib
import json
import logging
import random
import socket
import string
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
import uvicorn
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import generate_latest

from coordinator.access.keyring import new_key
from coordinator.api.http_api import create_api
from coordinator.service import Coordinator
from protos.coordinator.v1 import coordinator_pb2 as pb
from protos.coordinator.v1 import coordinator_pb2_grpc
from tests.api_keys import bearer, holder, write_key_file
from tests.running_servers import coordinator, shard_server
from tests.served_coordinator import serving
from tests.tiny_index import byte_level_tokenizer, write_index

CHANCE = random.Random(6)
WORDS = ["".join(CHANCE.choices(string.ascii_lowercase, k=6)) for _ in range(400)]
TEXTS = ("The quick brown fox jumps over the lazy dog near the river bank.", " ".join(WORDS))
SAID = TEXTS[0]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_index(tmp_path_factory.mktemp("keys") / "index", [TEXTS], byte_level_tokenizer(TEXTS, 300))


@contextlib.asynccontextmanager
async def http_server(answers: Coordinator) -> AsyncIterator[str]:
    """Serves the HTTP face as an ASGI server does, and gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        api = create_api(lambda: answers, lambda: 4_000_000)
        server = uvicorn.Server(uvicorn.Config(api, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
        running = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running


async def fetch(url: str, key: str = "", body: Any = None) -> tuple[int, dict[str, str], Any]:
    def now() -> tuple[int, dict[str, str], Any]:
        headers = dict(bearer(key)) if key else {}
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, content, {"content-type": "application/json", **headers})
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, dict(response.headers), json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers), json.load(error)

    return await asyncio.to_thread(now)


async def refused(call: Any) -> tuple[grpc.StatusCode, str]:
    """Returns the status and the reason of a call that fails."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    status = status_pb2.Status.FromString(dict(raised.value.trailing_metadata())["grpc-status-details-bin"])
    reason = error_details_pb2.ErrorInfo()
    status.details[0].Unpack(reason)
    return raised.value.code(), reason.reason


def test_both_faces_let_in_who_has_a_key_with_the_role_and_health_lets_in_all(
    index: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    tracer, reader, nobodys = new_key(), new_key(), new_key()
    keys_file = write_key_file(
        tmp_path / "keys.yaml", holder(tracer, "trace", id="t"), holder(reader, "read-document", id="r")
    )

    told: list[str] = []

    async def scenario() -> None:
        async with (
            shard_server(index) as shard,
            coordinator(tmp_path, index, [shard], keys_file=keys_file) as asked,
            serving(asked) as target,
            http_server(asked) as url,
            grpc.aio.insecure_channel(target) as channel,
        ):
            stub: Any = coordinator_pb2_grpc.CoordinatorServiceStub(channel)
            count = pb.CountRequest(text=SAID)
            document = pb.GetDocumentRequest(id="default:0:0", max_tokens=5)
            assert (await stub.Count(count, metadata=bearer(tracer))).count == 1
            assert (await stub.GetDocument(document, metadata=bearer(reader))).end == 5
            assert (await fetch(f"{url}/v1/count", tracer, {"text": SAID}))[2]["count"] == 1
            assert (await fetch(f"{url}/v1/documents/default:0:0?max_tokens=5", reader))[2]["end"] == 5

            denied = (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED")
            assert await refused(stub.Count(count, metadata=bearer(reader))) == denied
            assert await refused(stub.GetDocument(document, metadata=bearer(tracer))) == denied
            unknown = (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
            for metadata in ((), bearer(nobodys), bearer(tracer) * 2, (("x-client-id", "t"),)):
                assert await refused(stub.Count(count, metadata=metadata)) == unknown
            for key in ("", nobodys):
                status, headers, problem = await fetch(f"{url}/v1/count", key, {"text": SAID})
                assert (status, problem["type"]) == (401, "unauthenticated")
                assert headers["www-authenticate"].startswith("Bearer")
            assert (await fetch(f"{url}/v1/documents/default:0:0", tracer))[0] == 403

            health = health_pb2_grpc.HealthStub(channel)
            assert (await health.Check(health_pb2.HealthCheckRequest())).status == 1
            assert (await fetch(f"{url}/healthz"))[0] == (await fetch(f"{url}/readyz"))[0] == 200
            told.append(generate_latest(asked.metrics.registry).decode())

    asyncio.run(scenario())
    told += [str(vars(record)) for record in caplog.records]
    assert any("'client': 't'" in each for each in told), "the log names the holder"
    assert not any(key in each for key in (tracer, reader, nobodys) for each in told)


def test_a_key_takes_anothers_place_under_load_without_a_restart(index: Path, tmp_path: Path) -> None:
    old, new = new_key(), new_key()
    path = write_key_file(tmp_path / "keys.yaml", holder(old, "trace"))

    async def scenario() -> None:
        async with (
            shard_server(index) as shard,
            coordinator(tmp_path, index, [shard], keys_file=path, reload_interval_s=0.02) as asked,
            serving(asked) as target,
            grpc.aio.insecure_channel(target) as channel,
        ):
            stub: Any = coordinator_pb2_grpc.CoordinatorServiceStub(channel)
            count = pb.CountRequest(text=SAID)

            async def is_good(key: str) -> bool:
                try:
                    await stub.Count(count, metadata=bearer(key))
                except grpc.aio.AioRpcError as error:
                    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
                    return False
                return True

            async def once(key: str, expected: bool) -> None:
                async with asyncio.timeout(60):
                    while await is_good(key) is not expected:  # noqa: ASYNC110 - of a file nobody tells
                        await asyncio.sleep(0.01)

            current, calls, stop = [old], [0], asyncio.Event()

            async def load() -> None:
                while not stop.is_set():
                    assert await is_good(current[0]), "a key that is good all the time was refused"
                    calls[0] += 1

            loading = asyncio.gather(*(load() for _ in range(2)))
            assert not await is_good(new)
            write_key_file(path, holder([old, new], "trace"))  # both are good
            await once(new, True)
            current[0] = new
            path.write_text("keys: [")  # a slip of the hand changes nothing
            await asyncio.sleep(0.1)
            assert await is_good(old)
            write_key_file(path, holder(new, "trace"))
            await once(old, False)
            stop.set()
            await loading
            assert calls[0] > 10
            assert asked.metrics.registry.get_sample_value("headwater_coordinator_key_file_in_force") == 1

    asyncio.run(scenario())


def test_a_document_cannot_be_put_together_from_its_windows_and_pages(index: Path, tmp_path: Path) -> None:
    budget = 400
    key, other = new_key(), new_key()
    keys_file = write_key_file(
        tmp_path / "keys.yaml",
        holder(key, "trace", "read-document", tokens_of_a_document_per_day=budget),
        holder(other, "trace", "read-document", id="other", tokens_of_a_document_per_day=0),
    )

    async def scenario() -> None:
        async with (
            shard_server(index) as shard,
            coordinator(tmp_path, index, [shard], keys_file=keys_file, result_cache_bytes=10**6) as asked,
            serving(asked) as target,
            grpc.aio.insecure_channel(target) as channel,
        ):
            stub: Any = coordinator_pb2_grpc.CoordinatorServiceStub(channel)
            options = pb.TraceOptions(context_tokens=30, snippet_tokens=5, max_span_density=1.0)
            shown: set[int] = set()
            num_left_out = 0
            for number in range(1, 390, 7):
                answer = "so " + " ".join(WORDS[number : number + 4])
                request = pb.TraceRequest(answer=answer, options=options)
                trace = (await stub.Trace(request, metadata=bearer(key))).trace
                num_left_out += trace.withheld.documents
                for document in trace.documents:
                    assert document.id == "default:0:1"
                    shown.update(range(document.start, document.end))
                    for snippet in document.snippets:
                        shown.update(range(max(snippet.start - 5, 0), min(snippet.end + 5, document.num_tokens)))
                assert [span.count for span in trace.spans] == [1], "spans and counts stay"
                stream = stub.TraceStream(pb.TraceStreamRequest(answer=answer, options=options), metadata=bearer(key))
                async for event in stream:
                    for document in event.documents.documents:
                        shown.update(range(document.start, document.end))
                whole = (await stub.Trace(request, metadata=bearer(other))).trace
                assert (len(whole.documents), whole.withheld.documents) == (1, 0)
            assert budget * 0.7 < len(shown) <= budget
            assert num_left_out > 20

            start = 0
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                while True:
                    page = pb.GetDocumentRequest(id="default:0:1", start=start, max_tokens=50)
                    found = await stub.GetDocument(page, metadata=bearer(key))
                    assert found.end > found.start
                    shown.update(range(found.start, found.end))
                    start = found.end
            assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert len(shown) == budget
            page = pb.GetDocumentRequest(id="default:0:1")
            whole = await stub.GetDocument(page, metadata=bearer(other))
            assert whole.end == whole.num_tokens > 4 * budget

    asyncio.run(scenario())


def test_an_admin_call_needs_its_role_and_is_in_the_audit_log(index: Path, tmp_path: Path) -> None:
    admin, tracer = new_key(), new_key()
    settings = {
        "keys_file": write_key_file(
            tmp_path / "keys.yaml", holder(admin, "admin", id="legal"), holder(tracer, "trace", id="chat")
        ),
        "takedown_file": tmp_path / "takedowns.json",
        "audit_log": tmp_path / "audit.log",
    }

    async def scenario() -> None:
        async with (
            shard_server(index) as shard,
            coordinator(tmp_path, index, [shard], **settings) as asked,
            serving(asked) as target,
            http_server(asked) as url,
            grpc.aio.insecure_channel(target) as channel,
        ):
            stub: Any = coordinator_pb2_grpc.CoordinatorServiceStub(channel)
            administers: Any = coordinator_pb2_grpc.AdminServiceStub(channel)

            async def count() -> int:
                found: int = (await stub.Count(pb.CountRequest(text=SAID), metadata=bearer(tracer))).count
                return found

            add = pb.AddTakedownsRequest(takedowns=[pb.Takedown(id="case-1", document="default:0:0")])
            denied = (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED")
            assert await refused(administers.AddTakedowns(add, metadata=bearer(tracer))) == denied
            assert await refused(stub.Count(pb.CountRequest(text=SAID), metadata=bearer(admin))) == denied
            assert (await fetch(f"{url}/v1/takedowns"))[0] == 401
            assert await count() == 1
            await administers.AddTakedowns(add, metadata=bearer(admin))
            assert await count() == 0
            status, _, listed = await fetch(f"{url}/v1/takedowns", admin)
            assert (status, [each["id"] for each in listed["takedowns"]]) == (200, ["case-1"])
            assert (await fetch(f"{url}/v1/takedowns/lift", admin, {"ids": ["case-1"]}))[0] == 200
            assert await count() == 1

    asyncio.run(scenario())
    records = [json.loads(line) for line in (tmp_path / "audit.log").read_text().splitlines()]
    in_force = [record for record in records if record.get("event") == "takedowns in force"]
    records = [record for record in records if record not in in_force]
    named = [([one["id"] for one in each["added"]], [one["id"] for one in each["ended"]]) for each in in_force[-2:]]
    assert named == [(["case-1"], []), ([], ["case-1"])]
    assert [(record["key"], record["rpc"], record["outcome"]) for record in records] == [
        ("chat", "AddTakedowns", "PERMISSION_DENIED"),
        ("legal", "AddTakedowns", "OK"),
        ("legal", "ListTakedowns", "OK"),
        ("legal", "LiftTakedowns", "OK"),
    ]
    assert [target["kind"] for target in records[1]["targets"]] == ["document"]
