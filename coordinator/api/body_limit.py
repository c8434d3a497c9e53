"""Refuses HTTP requests with a body over a limit, before it is read into memory whole."""

from collections.abc import Callable
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """ASGI middleware. A body that says its length is refused at once, another where it passes the limit."""

    def __init__(self, app: ASGIApp, max_body_bytes: Callable[[], int]):
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._max_body_bytes()
        announced = dict(scope["headers"]).get(b"content-length", b"")
        received = int(announced) if announced.isdigit() else 0
        refuse_at_once, received = received > limit, 0

        async def receive_bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if refuse_at_once or received > limit:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"body is over the limit of {limit} bytes")
            return message

        await self._app(scope, receive_bounded, send)
