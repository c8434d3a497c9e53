"""What goes with every call to a shard server."""

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from coordinator.cluster.server_channel import call_metadata
from runtime import request_id, telemetry


def test_outside_of_a_request_nothing_goes_along() -> None:
    assert call_metadata() is None


def test_the_id_of_the_request_goes_along() -> None:
    with request_id.serving_request("abc"):
        assert call_metadata() == (("x-request-id", "abc"),)


def test_the_open_otel_span_goes_along() -> None:
    shut_down = telemetry.set_up("test", None, exporter=InMemorySpanExporter())
    try:
        with request_id.serving_request("abc"), telemetry.otel_span("try"):
            metadata = dict(call_metadata() or ())
        with telemetry.otel_span("try"):
            without_request = dict(call_metadata() or ())
    finally:
        shut_down()
    assert set(metadata) == {"x-request-id", "traceparent"}
    assert set(without_request) == {"traceparent"}
