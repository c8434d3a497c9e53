"""OpenTelemetry when an endpoint is set; otherwise nothing is imported and a call costs nothing.

The steps and servers of a process open an *otel_span* round their work; those of one request hang together over all
processes through the ``traceparent`` metadata (W3C trace context). Attributes are numbers and names, never content.

    shut_down = set_up("headwater-shard-server", config.otel_endpoint)
    with otel_span("LongestMatches", kind="server", parent=context.invocation_metadata()):
        await stub.GetWindows(request, metadata=inject())
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Tracer

Kind = Literal["internal", "server", "client"]
Attributes = Mapping[str, str | int | float | bool]
# Headers or gRPC metadata; values that are bytes are passed over.
Metadata = Iterable[tuple[str, Any]]

_OFF: contextlib.AbstractContextManager[None] = contextlib.nullcontext()

# One a process, as OpenTelemetry's own provider is: what is traced is the process.
_tracer: "Tracer | None" = None


def set_up(service: str, endpoint: str | None, *, exporter: "SpanExporter | None" = None) -> Callable[[], None]:
    """Sends otel_spans of this process to an OTLP gRPC endpoint from now on; does nothing without one.

    Args:
        service: Name of the process in a trace: ``headwater-coordinator``.
        endpoint: Where a collector listens: ``http://collector:4317``, or ``https://`` for TLS. Sampling follows
            OpenTelemetry's own ``OTEL_TRACES_SAMPLER``.
        exporter: Takes the otel_spans in place of the endpoint.

    Returns:
        What ends it: sends what is left, for some seconds at most.
    """
    global _tracer
    if endpoint is None and exporter is None:
        return _nothing
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    if exporter is None:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        exporter = OTLPSpanExporter(endpoint=endpoint, timeout=3)
    provider = TracerProvider(resource=Resource.create({"service.name": service}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracer = provider.get_tracer("headwater")

    def shut_down() -> None:
        global _tracer
        _tracer = None
        provider.shutdown()

    return shut_down


def is_on() -> bool:
    """Returns whether otel_spans go anywhere: worth asking before attributes that cost something to make."""
    return _tracer is not None


def otel_span(
    name: str, *, kind: Kind = "internal", attributes: Attributes | None = None, parent: Metadata | None = None
) -> contextlib.AbstractContextManager[None]:
    """Opens an otel_span while the block runs; an error that leaves the block marks it with its class, not its text.

    Args:
        name: What is done: the name of a call or of a step.
        kind: Whether it answers another process, asks one, or neither.
        attributes: What is known of it at the start; see `set_attributes`.
        parent: What came with the request. Absent: the otel_span that is open.
    """
    if _tracer is None:
        return _OFF
    return _opened(_tracer, name, kind, attributes, parent)


def record_otel_span(name: str, start_ns: int, end_ns: int, attributes: Attributes | None = None) -> None:
    """Records an otel_span that is over, as a child of the one that is open; times are those of ``time.time_ns``."""
    if _tracer is not None:
        _tracer.start_span(name, start_time=start_ns, attributes=attributes).end(end_time=end_ns)


def set_attributes(attributes: Attributes) -> None:
    """Adds to the otel_span that is open, if any."""
    if _tracer is not None:
        from opentelemetry.trace import get_current_span

        get_current_span().set_attributes(attributes)


def inject() -> tuple[tuple[str, str], ...]:
    """Returns the metadata that makes the next process's otel_spans children of the one that is open."""
    if _tracer is None:
        return ()
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return tuple(carrier.items())


@contextlib.contextmanager
def _opened(
    tracer: "Tracer", name: str, kind: Kind, attributes: Attributes | None, parent: Metadata | None
) -> Iterator[None]:
    from opentelemetry.trace import SpanKind, Status, StatusCode
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    context = None
    if parent is not None:
        carrier = {key.lower(): value for key, value in parent if isinstance(value, str)}
        context = TraceContextTextMapPropagator().extract(carrier)
    with tracer.start_as_current_span(
        name,
        context=context,
        kind=SpanKind[kind.upper()],
        attributes=attributes,
        # The text of an error may hold what was asked.
        record_exception=False,
        set_status_on_exception=False,
    ) as opened:
        try:
            yield
        except BaseException as error:
            opened.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def _nothing() -> None:
    pass
