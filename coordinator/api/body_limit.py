"""Refuses HTTP requests with a body over a limit, before it is read into memory whole, or one that takes too long.

A body on the way holds one of the places that Serve has for all requests, so a client may have few on the way at once.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coordinator.api import caller
from coordinator.errors import OverloadedError

# The largest body allowed, sent with 1 Mbit a second, takes as long.
BODY_TIMEOUT_S = 30.0
# Of one client, and of all: less than a third of the places that a replica has by default, probes among them.
_MOST_ARRIVING = 32
_MOST_ARRIVING_IN_ALL = 96
_RETRY_AFTER_S = 1.0


class BodyLimit:
    """ASGI middleware. A body that says its length is refused at once, another where it passes the limit.

    ``timeout_s`` is the time to send all of it: until then the request holds a place that others wait for.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: Callable[[], int], timeout_s: float = BODY_TIMEOUT_S):
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._timeout_s = timeout_s
        self._arriving = Counter[str]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._max_body_bytes()
        announced = dict(scope["headers"]).get(b"content-length", b"")
        received = int(announced) if announced.isdigit() else 0
        refuse_at_once, received = received > limit, 0
        body_by: float | None = asyncio.get_running_loop().time() + self._timeout_s
        client_id = caller.current().client_id
        waits = False

        def arrive() -> None:
            nonlocal waits
            if self._arriving[client_id] >= _MOST_ARRIVING or self._arriving.total() >= _MOST_ARRIVING_IN_ALL:
                raise OverloadedError("too many requests whose bodies are still on the way", _RETRY_AFTER_S)
            waits = True
            self._arriving[client_id] += 1

        def leave() -> None:
            nonlocal waits
            if waits:
                waits = False
                self._arriving[client_id] -= 1
                if not self._arriving[client_id]:
                    del self._arriving[client_id]

        async def receive_bounded() -> Message:
            nonlocal received, body_by
            if body_by is not None and not waits:
                arrive()
            try:
                async with asyncio.timeout_at(body_by):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(
                    HTTPStatus.REQUEST_TIMEOUT,
                    f"body was not sent whole within {self._timeout_s:g} s",
                    # What is left of it cannot be told from another request.
                    {"connection": "close"},
                ) from None
            received += len(message.get("body", b""))
            if refuse_at_once or received > limit:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"body is over the limit of {limit} bytes")
            if not message.get("more_body", False):
                body_by = None  # what comes now is only that the client leaves
                leave()
            return message

        try:
            await self._app(scope, receive_bounded, send)
        finally:
            leave()
