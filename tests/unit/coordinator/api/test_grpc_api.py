"""The gRPC face, called without a server: ids, errors, sizes, messages that cannot be read."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from coordinator.access.gate import Gate
from coordinator.api import caller, message_size
from coordinator.api.caller import Caller
from coordinator.api.grpc_api import GrpcApi
from coordinator.api.grpc_service import Unread, add_coordinator_to_server
from coordinator.api.rich_status import DETAILS_KEY, error_of
from coordinator.errors import CoordinatorError, InvalidRequestError, RequestTooLargeError
from coordinator.metrics import CoordinatorMetrics
from coordinator.results import Count, TraceEvent
from protos.coordinator.v1 import coordinator_pb2 as pb
from runtime import telemetry
from tests.api_keys import write_keys
from tests.unit.coordinator.api.http_calls import recorded
from tests.unit.coordinator.api.samples import COVERAGE, RANKING, SPANS_FOUND


class Coordinator:
    """Records who asks; answers a count, and a stream of two events."""

    def __init__(self, error: Exception | None = None):
        self.error = error
        self.metrics = CoordinatorMetrics()
        self.gate = Gate()
        self.callers: list[Caller] = []

    async def count(self, *_asked: Any) -> Count:
        self.callers.append(caller.current())
        if self.error is not None:
            raise self.error
        return Count(1, 2, COVERAGE)

    async def trace_stream(self, *_asked: Any) -> AsyncGenerator[TraceEvent, None]:
        self.callers.append(caller.current())
        yield SPANS_FOUND
        if self.error is not None:
            raise self.error
        yield RANKING


class Context:
    """A call's context that keeps what is set, as Serve's does."""

    def __init__(self, *metadata: tuple[str, str]):
        self.metadata = metadata
        self.code: grpc.StatusCode | None = None
        self.details = ""
        self.trailing: list[tuple[str, Any]] = []

    def invocation_metadata(self) -> Any:
        return self.metadata

    def set_code(self, code: grpc.StatusCode) -> None:
        self.code = code

    def set_details(self, details: str) -> None:
        self.details = details

    def set_trailing_metadata(self, trailing_metadata: list[tuple[str, Any]]) -> None:
        # As Serve does: what is no list is refused.
        self.trailing = [("request_id", "of serve"), *list.copy(trailing_metadata)]

    def trailing_metadata(self) -> Any:
        return self.trailing


def count(coordinator: Coordinator, context: Context, request: Any = None, **limits: int) -> pb.CountResponse:
    wanted = Unread(pb.CountRequest(text="a").SerializeToString()) if request is None else request
    return asyncio.run(GrpcApi(coordinator, **limits).Count(wanted, context))  # type: ignore[arg-type]


def stream(coordinator: Coordinator, context: Context, **taken_by: str) -> list[str | None]:
    async def run() -> list[str | None]:
        wanted = Unread(pb.TraceStreamRequest(answer="a").SerializeToString(), **taken_by)
        responses = GrpcApi(coordinator).TraceStream(wanted, context)  # type: ignore[arg-type]
        return [response.WhichOneof("event") async for response in responses]

    return asyncio.run(run())


def test_a_call_that_ends_well_sends_its_id_back_and_sets_no_status() -> None:
    coordinator, context = Coordinator(), Context(("x-request-id", "r-1"), ("x-client-id", "team"))
    assert count(coordinator, context).count == 2
    assert coordinator.callers == [Caller("r-1", "team")]
    assert context.code is None
    assert dict(context.trailing)["x-request-id"] == "r-1"


def test_a_stream_is_asked_for_by_its_caller_and_sends_the_id_back_after_the_last_event() -> None:
    coordinator, context = Coordinator(), Context(("x-request-id", "r-1"), ("x-client-id", "team"))
    assert stream(coordinator, context) == ["spans", "ranking"]
    assert coordinator.callers == [Caller("r-1", "team")]
    assert (context.code, dict(context.trailing)["x-request-id"]) == (None, "r-1")


def test_the_status_of_a_stream_that_a_proxy_relays_goes_with_a_message_of_its_own() -> None:
    context, wrong = Context(), InvalidRequestError("text is empty", "text")
    assert stream(Coordinator(wrong), context) == ["spans"]
    assert stream(Coordinator(wrong), context, taken_by="a proxy") == ["spans", None]
    assert context.code is grpc.StatusCode.INVALID_ARGUMENT
    assert stream(Coordinator(), Context(), taken_by="a proxy") == ["spans", "ranking"]


@pytest.mark.parametrize("ask", [count, stream])
def test_an_error_sets_status_message_and_details(ask: Any) -> None:
    context = Context(("x-request-id", "r-1"))
    ask(Coordinator(InvalidRequestError("text is empty", "text")), context)
    assert (context.code, context.details) == (grpc.StatusCode.INVALID_ARGUMENT, "text is empty")
    status = status_pb2.Status.FromString(dict(context.trailing)[DETAILS_KEY])
    assert (status.code, status.message) == (3, "text is empty")
    told = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(told)
    assert told.reason == "INVALID_REQUEST"
    assert dict(context.trailing)["x-request-id"] == "r-1"


@pytest.mark.parametrize("ask", [count, stream])
def test_a_bug_is_logged_with_its_method_and_told_without_its_text(ask: Any, caplog: pytest.LogCaptureFixture) -> None:
    context = Context()
    ask(Coordinator(RuntimeError("secret")), context)
    assert context.code is grpc.StatusCode.INTERNAL
    assert "secret" not in context.details
    assert type(error_of(context)) is CoordinatorError  # type: ignore[arg-type]
    (record,) = caplog.records
    assert record.__dict__["method"] == ("Count" if ask is count else "TraceStream")


def test_a_request_over_the_limit_is_refused_before_it_is_worked_on() -> None:
    coordinator, context = Coordinator(), Context()
    count(coordinator, context, Unread(pb.CountRequest(text="a" * 100).SerializeToString()), max_request_bytes=50)
    assert context.code is grpc.StatusCode.INVALID_ARGUMENT
    assert context.details == "request has 102 bytes, the limit is 50"
    assert isinstance(error_of(context), RequestTooLargeError)  # type: ignore[arg-type]
    assert coordinator.callers == []


@pytest.mark.parametrize("ask", [count, stream])
def test_an_answer_over_the_limit_is_refused_too(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_size, "MAX_MESSAGE_BYTES", 20)
    context = Context()
    coordinator = Coordinator()
    ask(coordinator, context)
    assert isinstance(error_of(context), RequestTooLargeError)  # type: ignore[arg-type]
    method = "Count" if ask is count else "TraceStream"
    assert recorded(coordinator.metrics) == {(method, "INVALID_ARGUMENT"): 1}


class Server:
    """Takes handlers as a gRPC server does."""

    def __init__(self) -> None:
        self.generic: list[Any] = []
        self.handlers: dict[str, Any] = {}

    def add_generic_rpc_handlers(self, handlers: Any) -> None:
        self.generic.extend(handlers)

    def add_registered_method_handlers(self, service: str, handlers: Any) -> None:
        self.handlers.update({f"/{service}/{name}": handler for name, handler in handlers.items()})


def test_a_message_that_cannot_be_read_is_an_error_of_the_caller() -> None:
    server, coordinator, context = Server(), Coordinator(), Context()
    add_coordinator_to_server(GrpcApi(coordinator), server)  # type: ignore[arg-type]
    read = server.handlers["/protos.coordinator.v1.CoordinatorService/Count"].request_deserializer
    assert read(pb.CountRequest(text="a").SerializeToString()).read("Count", 10) == pb.CountRequest(text="a")
    count(coordinator, context, read(b"\x0a\xff\xff\xff\x7fsecret"))
    assert (context.code, coordinator.callers) == (grpc.StatusCode.INVALID_ARGUMENT, [])
    assert "cannot be read" in context.details
    assert "secret" not in context.details
    assert recorded(coordinator.metrics) == {("Count", "INVALID_ARGUMENT"): 1}


def test_what_comes_without_a_key_is_not_even_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(self: Unread, method: str, max_bytes: int) -> Any:
        raise AssertionError("read")

    monkeypatch.setattr(Unread, "read", read)
    write_keys(tmp_path / "keys.yaml", "trace")
    coordinator = Coordinator()
    coordinator.gate = Gate(tmp_path / "keys.yaml")
    for ask in (count, stream):
        context = Context()
        ask(coordinator, context)
        assert context.code is grpc.StatusCode.UNAUTHENTICATED


def test_every_method_of_the_service_is_registered_both_ways() -> None:
    server = Server()
    add_coordinator_to_server(GrpcApi(Coordinator()), server)  # type: ignore[arg-type]
    services = pb.DESCRIPTOR.services_by_name.values()
    paths = {f"/{service.full_name}/{method.name}" for service in services for method in service.methods}
    assert set(server.handlers) == paths
    assert {path for generic in server.generic for path in generic._method_handlers} == paths


@pytest.mark.parametrize(("error", "code"), [(None, 0), (InvalidRequestError("secret"), 3)])
@pytest.mark.parametrize("ask", [count, stream])
def test_a_call_is_one_otel_span_of_the_callers_trace_without_content(
    ask: Any, error: Exception | None, code: int
) -> None:
    exporter = InMemorySpanExporter()
    shut_down = telemetry.set_up("coordinator", None, exporter=exporter)
    ask(Coordinator(error), Context(("traceparent", f"00-{'ab' * 16}-{'cd' * 8}-01"), ("x-request-id", "r-1")))
    shut_down()
    (otel_span,) = exporter.get_finished_spans()
    method = "Count" if ask is count else "TraceStream"
    assert otel_span.name == f"protos.coordinator.v1.CoordinatorService/{method}"
    assert (otel_span.kind.name, otel_span.context.trace_id) == ("SERVER", int("ab" * 16, 16))
    assert otel_span.attributes["rpc.grpc.status_code"] == code
    assert otel_span.attributes["request_id"] == "r-1"
    assert "secret" not in otel_span.to_json()
