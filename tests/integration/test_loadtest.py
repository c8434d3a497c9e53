"""The load test against servers whose faults are known, and against a coordinator over both protocols."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import grpc.aio
import pytest
import uvicorn

from coordinator.api.http_api import create_api
from loadtest.access import Access
from loadtest.command import main
from loadtest.errors import LoadTestError
from loadtest.generator import Generator
from loadtest.messages import SERVICE
from loadtest.plan import Load
from loadtest.results import IN_FLIGHT_LIMIT, NO_ANSWER, Run, read_run
from loadtest.schedule import Pace
from loadtest.workloads import Question, Texts, Workload, mix_of
from protos.coordinator.v1 import coordinator_pb2 as pb
from tests.integration.serving_thread import in_a_thread
from tests.running_servers import coordinator, shard_server, unused_address
from tests.served_coordinator import serving
from tests.tiny_index import byte_level_tokenizer, write_index

TEXTS = Texts(conversations=tuple(Question("Who?", f"answer {number}") for number in range(10)))
MIX = mix_of({Workload.CONVERSATIONS: 1}, TEXTS, 1.0, 0)
DOCUMENTS = tuple(
    " ".join(f"The {colour} {animal} jumps over the lazy dog number {number}." for number in range(5))
    for colour in ("quick", "brown", "naïve")
    for animal in ("fox", "heron", "newt")
)
WORDS = DOCUMENTS[0].split()


@contextlib.contextmanager
def answering(answer: Callable[[pb.TraceRequest], Awaitable[pb.TraceResponse]]) -> Iterator[str]:
    """Serves `Trace` with a function."""

    @contextlib.asynccontextmanager
    async def serve() -> AsyncIterator[str]:
        async def trace(
            request: pb.TraceRequest, context: grpc.aio.ServicerContext[object, object]
        ) -> pb.TraceResponse:
            return await answer(request)

        server = grpc.aio.server()
        handler = grpc.unary_unary_rpc_method_handler(
            trace, pb.TraceRequest.FromString, pb.TraceResponse.SerializeToString
        )
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE.full_name, {"Trace": handler}),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        yield f"127.0.0.1:{port}"
        await server.stop(0)

    with in_a_thread(serve) as target:
        yield target


def complete() -> pb.TraceResponse:
    return pb.TraceResponse(trace=pb.Trace(coverage=pb.Coverage(complete=True, share_searched=1.0)))


def test_a_pause_of_the_server_is_in_the_latency_of_all_that_were_due_in_it() -> None:
    """A closed loop would send one request into the pause and see one slow answer."""
    pause_s, began = 2.0, 0.0

    async def answer(request: pb.TraceRequest) -> pb.TraceResponse:
        nonlocal began
        now = time.monotonic()
        began = began or now + 1.0
        if began <= now < began + pause_s:
            await asyncio.sleep(began + pause_s - now)
        return complete()

    records: list[object] = []
    with answering(answer) as target:
        load = Load(
            Access(target), TEXTS, "run", processes=2, observer="tests.integration.request_recorder:make_recorder"
        )
        with Generator(load, MIX, 1, on_records=records.extend) as generator:
            step = generator.run(Pace("rate", 50, 50, 5, 0, "constant"))
    assert step.total.intended == step.total.answered == len(records) == 250
    # 50 requests a second are due in a pause of two, and those of its first second wait for more than one.
    slow = [record for record in records if record[4] > pause_s / 2]  # type: ignore[index]
    assert len(slow) >= 45
    assert step.total.latency is not None
    assert step.total.latency.max_ms >= 1000 * (pause_s - 0.2)
    assert step.total.latency.p90_ms > 1000
    assert {record[:1] + record[2:4] for record in records} == {(Workload.CONVERSATIONS, 0, "OK")}  # type: ignore[index]
    assert {record[1] for record in records} == set(range(10))  # type: ignore[index]


def test_requests_beyond_the_limit_in_flight_are_errors_and_hung_ones_are_given_up() -> None:
    async def answer(request: pb.TraceRequest) -> pb.TraceResponse:
        await asyncio.sleep(60)
        return complete()

    with answering(answer) as target:
        load = Load(Access(target), TEXTS, "run", processes=1, in_flight_limit=5, timeout_s=0.1)
        with Generator(load, MIX, 1) as generator:
            step = generator.run(Pace("rate", 100, 100, 1, 0, "constant"))
    assert step.total.errors == {NO_ANSWER: 5, IN_FLIGHT_LIMIT: 95}
    assert step.total.sent == 5
    assert step.client.most_in_flight == 5
    assert step.total.latency is None


def test_a_server_that_is_not_there_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtest.served_texts._TIMEOUT_S", 2.0)
    assert main(["--target", unused_address(), "--rate", "5"]) == 2
    assert main(["--target", unused_address(), "--rate", "5", "--protocol", "http"]) == 2


def test_an_observer_that_fails_ends_the_run_with_a_word() -> None:
    async def answer(request: pb.TraceRequest) -> pb.TraceResponse:
        return complete()

    with answering(answer) as target:
        load = Load(Access(target), TEXTS, "run", processes=1, observer="tests.integration.request_recorder:nobody")
        with pytest.raises(LoadTestError, match="no such function"), Generator(load, MIX, 1):
            pass


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    halves = [DOCUMENTS[:5], DOCUMENTS[5:]]
    return write_index(tmp_path_factory.mktemp("loadtest") / "index", halves, byte_level_tokenizer(DOCUMENTS, 320))


@pytest.fixture
def targets(index: Path, tmp_path: Path) -> Iterator[dict[str, str]]:
    """A coordinator over two shards, behind gRPC and HTTP."""

    @contextlib.asynccontextmanager
    async def serve() -> AsyncIterator[str]:
        async with (
            shard_server(index) as address,
            coordinator(tmp_path, index, [address, address], result_cache_bytes=1 << 24) as opened,
            serving(opened) as grpc_target,
        ):
            http_target = unused_address()
            port = int(http_target.rpartition(":")[2])
            config = uvicorn.Config(create_api(lambda: opened, lambda: 1 << 20), port=port, log_level="error")
            server = uvicorn.Server(config)
            serve_http = asyncio.create_task(server.serve())
            while not server.started:  # noqa: ASYNC110 - uvicorn tells in no other way
                await asyncio.sleep(0.01)
            yield f"{grpc_target} {http_target}"
            server.should_exit = True
            await serve_http

    with in_a_thread(serve) as both:
        yield dict(zip(("grpc", "http"), both.split(), strict=True))


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_every_workload_is_answered_over_both_protocols(
    targets: dict[str, str], tmp_path: Path, protocol: str, capsys: pytest.CaptureFixture[str]
) -> None:
    conversations = tmp_path / "conversations.jsonl"
    lines = [{"prompt": "Who jumps?", "response": " ".join(WORDS[number : number + 20])} for number in range(20)]
    conversations.write_text("".join(json.dumps(line) + "\n" for line in lines))
    wanted = tmp_path / "targets.yaml"
    wanted.write_text("error_rate: 0\ncoverage: 1\np99_ms: 60000\n")
    results, page = tmp_path / "run.json", tmp_path / "run.html"
    arguments = ["--target", targets[protocol], "--protocol", protocol, "--rate", "40", "--seconds", "2"]
    arguments += ["--conversations", str(conversations), "--targets", str(wanted), "--processes", "1"]
    arguments += ["--warm-up", "0.5", "--json", str(results), "--html", str(page)]
    assert main(arguments) == 0, capsys.readouterr().out
    run: Run = read_run(results)
    [step] = run.steps
    assert set(step.workloads) == {workload.value for workload in Workload}
    assert step.total.answered == step.total.intended == step.total.complete > 40
    assert step.total.coverage == 1.0
    assert run.configuration.protocol == protocol
    assert all(workload.value in page.read_text(encoding="utf-8") for workload in Workload)
    # Hot requests are in the result cache from the second time on; cold ones and counts never are.
    assert 0 < step.total.cached < step.total.answered
    assert step.workloads["contamination"].cached == 0


def test_a_missed_target_ends_with_status_1_and_the_earlier_run_is_beside_it(
    targets: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results, wanted = tmp_path / "run.json", tmp_path / "targets.yaml"
    arguments = ["--target", targets["grpc"], "--rate", "20", "--seconds", "1", "--warm-up", "0", "--processes", "1"]
    assert main([*arguments, "--json", str(results)]) == 0
    wanted.write_text("p50_ms: 0.001\n")
    assert main([*arguments, "--compare", str(results), "--targets", str(wanted)]) == 1
    said = capsys.readouterr().out
    assert "p50_ms" in said
    assert "FAILED" in said
    assert "ratio" in said
