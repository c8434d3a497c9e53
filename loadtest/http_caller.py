"""Calls over HTTP, on connections that are kept."""

import asyncio

import aiohttp

from loadtest.access import Access
from loadtest.errors import LoadTestError
from loadtest.messages import Message, http_body, http_path
from loadtest.replies import OK, Received, Reply, http_code, read_body
from loadtest.results import NO_ANSWER, NO_CONNECTION

_JSON = {"content-type": "application/json"}


class HttpCaller:
    """Sends messages as JSON. Each request in flight has a connection; they are kept for the next ones."""

    def __init__(self, access: Access):
        """Opens no connection yet. Needs a running event loop."""
        self._base = access.base_url()
        tls = access.ssl_context()
        self._tls: dict[str, object] = {} if tls is None else {"ssl": tls}
        if access.server_name is not None:
            self._tls["server_hostname"] = access.server_name
        # No limit here: a request that waits for a connection would wait on this side.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
            headers={**_JSON, **dict(access.metadata())},
            timeout=aiohttp.ClientTimeout(total=None),
        )

    async def connect(self, timeout_s: float) -> None:
        """Asks once whether the server lives.

        Raises:
            TimeoutError: it does not answer in time.
            LoadTestError: it cannot be reached.
        """
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._session.get(f"{self._base}/healthz", **self._tls) as response,  # type: ignore[arg-type]
            ):
                await response.read()
        except aiohttp.ClientError as error:
            raise LoadTestError(f"{self._base}: cannot be reached ({error})") from error

    async def send(self, message: Message, timeout_s: float) -> Received:
        """Returns what came back for a message; it is given up ``timeout_s`` after it was sent."""
        url = self._base + http_path(type(message))
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._session.post(url, data=http_body(message), **self._tls) as response,  # type: ignore[arg-type]
            ):
                content = await response.read()
        except TimeoutError:
            return Received(NO_ANSWER)
        except (aiohttp.ClientError, OSError):
            return Received(NO_CONNECTION)
        return Received(OK, (content,)) if response.status == 200 else Received(http_code(response.status))

    def read(self, kind: type[Message], received: Received) -> Reply:
        """Returns what came back for a message of a kind, read."""
        return read_body(kind, received)

    async def close(self) -> None:
        """Closes the connections."""
        await self._session.close()
