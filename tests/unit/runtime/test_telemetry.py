"""otel_spans hang together over processes, hold no content, and are nothing without an endpoint."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from runtime import telemetry


class Collector:
    """What was exported, once telemetry is shut down."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._shut_down = telemetry.set_up("test", None, exporter=self._exporter)

    def otel_spans(self) -> dict[str, ReadableSpan]:
        self._shut_down()
        return {found.name: found for found in self._exporter.get_finished_spans()}


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.otel_spans()


def test_an_otel_span_inside_another_is_its_child(collector: Collector) -> None:
    with telemetry.otel_span("trace"), telemetry.otel_span("search", attributes={"num_shards": 3}):
        telemetry.set_attributes({"num_matches": 7})
    found = collector.otel_spans()
    assert found["search"].parent is not None
    assert found["search"].parent.span_id == found["trace"].context.span_id
    assert dict(found["search"].attributes or {}) == {"num_shards": 3, "num_matches": 7}
    assert found["trace"].resource.attributes["service.name"] == "test"


def test_a_step_that_is_over_is_recorded_with_its_own_times(collector: Collector) -> None:
    with telemetry.otel_span("trace"):
        telemetry.record_otel_span("search", 1_000, 3_500, {"num_matches": 7})
    found = collector.otel_spans()
    step = found["search"]
    assert (step.start_time, step.end_time, dict(step.attributes or {})) == (1_000, 3_500, {"num_matches": 7})
    assert step.parent is not None
    assert step.parent.span_id == found["trace"].context.span_id


def test_an_otel_span_of_another_process_continues_the_callers_trace(collector: Collector) -> None:
    with telemetry.otel_span("ask", kind="client"):
        metadata = [("other-bin", b"\x00"), *((key.upper(), value) for key, value in telemetry.inject())]
    with telemetry.otel_span("answer", kind="server", parent=metadata):
        pass
    found = collector.otel_spans()
    assert found["answer"].parent is not None
    assert found["answer"].parent.span_id == found["ask"].context.span_id
    assert found["answer"].context.trace_id == found["ask"].context.trace_id
    assert (found["ask"].kind, found["answer"].kind) == (SpanKind.CLIENT, SpanKind.SERVER)


def test_a_caller_without_a_trace_begins_one(collector: Collector) -> None:
    with telemetry.otel_span("answer", kind="server", parent=[("traceparent", "nonsense")]):
        pass
    assert collector.otel_spans()["answer"].parent is None


def test_an_error_marks_the_otel_span_with_its_class_and_never_with_its_text(collector: Collector) -> None:
    with pytest.raises(ValueError, match="secret"), telemetry.otel_span("search"):
        raise ValueError("secret words")
    found = collector.otel_spans()["search"]
    assert (found.status.status_code, found.status.description) == (StatusCode.ERROR, "ValueError")
    assert "secret" not in found.to_json()


def test_without_an_endpoint_nothing_is_opened() -> None:
    shut_down = telemetry.set_up("test", None)
    with telemetry.otel_span("search", attributes={"n": 1}):
        telemetry.set_attributes({"n": 2})
        assert telemetry.inject() == ()
        assert not telemetry.is_on()
        telemetry.record_otel_span("step", 1, 2)
    assert telemetry.otel_span("a") is telemetry.otel_span("b")
    shut_down()


def test_without_an_endpoint_opentelemetry_is_not_even_imported() -> None:
    code = (
        "import sys; from runtime import telemetry; telemetry.set_up('x', None)\n"
        "with telemetry.otel_span('a'): telemetry.inject()\n"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
