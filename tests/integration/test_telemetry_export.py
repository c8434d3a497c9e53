"""otel_spans arrive at an OTLP collector, and a collector that is away holds nobody up."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as otlp_grpc

from runtime import telemetry
from tests.running_servers import unused_address


class Collector(otlp_grpc.TraceServiceServicer):  # type: ignore[misc]
    """Keeps the names that arrive, by service."""

    def __init__(self) -> None:
        self.names: dict[str, list[str]] = {}

    def Export(self, request: Any, context: grpc.ServicerContext) -> Any:
        for resource in request.resource_spans:
            service = next(
                each.value.string_value for each in resource.resource.attributes if each.key == "service.name"
            )
            names = [otel_span.name for scope in resource.scope_spans for otel_span in scope.spans]
            self.names.setdefault(service, []).extend(names)
        return otlp.ExportTraceServiceResponse()


def test_otel_spans_arrive_at_the_endpoint_before_the_process_ends() -> None:
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(1))
    otlp_grpc.add_TraceServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        shut_down = telemetry.set_up("headwater-test", f"http://127.0.0.1:{port}")
        with telemetry.otel_span("trace"), telemetry.otel_span("search"):
            pass
        shut_down()
    finally:
        server.stop(None).wait()
    assert collector.names == {"headwater-test": ["search", "trace"]}


def test_a_collector_that_is_away_costs_the_end_of_the_process_a_few_seconds_at_most() -> None:
    shut_down = telemetry.set_up("headwater-test", f"http://{unused_address()}")
    with telemetry.otel_span("trace"):
        pass
    ending = threading.Thread(target=shut_down)
    ending.start()
    ending.join(9)  # the exporter is given 3 s; left alone it would take 10 s and more
    assert not ending.is_alive()
