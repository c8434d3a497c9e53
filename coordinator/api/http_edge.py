"""What goes round every HTTP request: who asks, its otel_span and record, its id in the answer, an answer to a bug."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import nullcontext
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coordinator.access.gate import Gate
from coordinator.api.caller import serving
from coordinator.api.http_events import TRACE_STREAM
from coordinator.api.http_problems import blank_problem, problem_of, respond
from coordinator.metrics import CoordinatorMetrics
from coordinator.request_record import end_record, recorded_by_face
from runtime import telemetry
from runtime.request_id import METADATA_KEY

_log = logging.getLogger(__name__)

# What a reader may leave a server waiting to send the next part of an answer.
READER_TIMEOUT_S = 30.0

# The calls, as gRPC names them.
_METHODS = {
    "/v1/trace": "Trace",
    TRACE_STREAM: "TraceStream",
    "/v1/count": "Count",
    "/v1/describe": "Describe",
    "/v1/takedowns/lift": "LiftTakedowns",
    "/v1/takedowns/preview": "PreviewTakedown",
}
_TAKEDOWNS = "/v1/takedowns"
_DOCUMENTS = "/v1/documents/"

# Asked all the time by machines; an otel_span of each would tell nothing.
_PROBES = ("/healthz", "/readyz")
# What is asked without a key: whether this lives, and how to ask.
_PUBLIC = (*_PROBES, "/openapi.json")


class RequestEdge:
    """ASGI middleware, the outermost.

    ``echoes_request_id`` says whether the request's id is put into the answer's headers here; Serve does it itself.
    An answer that its reader does not take within ``reader_timeout_s`` is given up.
    """

    def __init__(
        self,
        app: ASGIApp,
        metrics: Callable[[], CoordinatorMetrics],
        gate: Callable[[], Gate],
        echoes_request_id: bool,
        reader_timeout_s: float = READER_TIMEOUT_S,
    ):
        self._app = app
        self._metrics = metrics
        self._gate = gate
        self._echoes_request_id = echoes_request_id
        self._reader_timeout_s = reader_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        gate = self._gate()
        caller = gate.identify(headers)
        # As routes see it: a server that puts the application below a path says so.
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        method = method_of(scope["method"], path)
        started = has_reader = False

        async def send_with_id(message: Message) -> None:
            nonlocal started, has_reader
            if message["type"] == "http.response.start":
                started = True
                telemetry.set_attributes(_attributes(scope, message["status"]))
                if path != TRACE_STREAM:  # which ends its record itself, when its work is done
                    end_record("OK")
                if self._echoes_request_id:
                    echoed = (METADATA_KEY.encode(), caller.request_id.encode())
                    message = {**message, "headers": [*message["headers"], echoed]}
            has_reader = False
            async with asyncio.timeout(self._reader_timeout_s):
                await send(message)
            has_reader = True

        attributes = {"http.request.method": scope["method"], "request_id": caller.request_id}
        is_probe = path in _PROBES
        with (
            serving(caller),
            nullcontext()
            if is_probe
            else telemetry.otel_span(f"HTTP {scope['method']}", kind="server", attributes=attributes, parent=headers),
            recorded_by_face(method, self._metrics()) if method else nullcontext(),
        ):
            try:
                # Before the body is looked at: who may not ask is not read.
                if path not in _PUBLIC:
                    await gate.permit(caller, method)
                if method or path in _PUBLIC:
                    await self._app(scope, receive, send_with_id)
                else:  # a route may think otherwise, it takes a newline at the end: what has no role is open to nobody
                    await respond(blank_problem(HTTPStatus.NOT_FOUND))(scope, receive, send_with_id)
            except Exception as error:
                if started and not has_reader and isinstance(error, TimeoutError):
                    _log.info("answer given up, its reader takes nothing", extra={"method": method})
                    return
                if started:  # the client sees the answer end too early
                    raise
                await respond(problem_of(error))(scope, receive, send_with_id)


def method_of(verb: str, path: str) -> str | None:
    """Returns what a request asks for, as the gRPC services call it; None of what is no path of theirs."""
    if path.startswith(_DOCUMENTS):
        return "GetDocument"
    if path == _TAKEDOWNS:
        return "ListTakedowns" if verb in ("GET", "HEAD") else "AddTakedowns"
    return _METHODS.get(path)


def _attributes(scope: Scope, status: int) -> dict[str, str | int | float | bool]:
    route = getattr(scope.get("route"), "path", "")
    return {"http.response.status_code": status, "http.route": route}
