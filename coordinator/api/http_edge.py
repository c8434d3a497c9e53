"""What goes round every HTTP request: who asks, its otel_span, its id in the answer, and an answer even to a bug."""

import logging
from contextlib import nullcontext

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coordinator.api.caller import caller_of, serving
from coordinator.api.http_problems import problem_of, respond
from runtime import telemetry
from runtime.request_id import METADATA_KEY

_log = logging.getLogger(__name__)

# Asked all the time by machines; an otel_span of each would tell nothing.
_PROBES = ("/healthz", "/readyz")


class RequestEdge:
    """ASGI middleware, the outermost.

    ``echoes_request_id`` says whether the request's id is put into the answer's headers here; Serve does it itself.
    """

    def __init__(self, app: ASGIApp, echoes_request_id: bool):
        self._app = app
        self._echoes_request_id = echoes_request_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        caller = caller_of(headers)
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                telemetry.set_attributes(_attributes(scope, message["status"]))
                if self._echoes_request_id:
                    echoed = (METADATA_KEY.encode(), caller.request_id.encode())
                    message = {**message, "headers": [*message["headers"], echoed]}
            await send(message)

        attributes = {"http.request.method": scope["method"], "request_id": caller.request_id}
        is_probe = scope["path"] in _PROBES
        with (
            serving(caller),
            nullcontext()
            if is_probe
            else telemetry.otel_span(f"HTTP {scope['method']}", kind="server", attributes=attributes, parent=headers),
        ):
            try:
                await self._app(scope, receive, send_with_id)
            except Exception as error:
                if started:  # the client sees the answer end too early
                    raise
                await respond(problem_of(error))(scope, receive, send_with_id)


def _attributes(scope: Scope, status: int) -> dict[str, str | int | float | bool]:
    route = getattr(scope.get("route"), "path", "")
    return {"http.response.status_code": status, "http.route": route}
