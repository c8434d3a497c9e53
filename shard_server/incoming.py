"""Takes the one request of a call, from a caller who may be slow."""

import asyncio
from typing import Any

import grpc
from grpc.aio import EOF  # type: ignore[attr-defined]  # the stubs lack it

from shard_server.errors import NoRequestError, SlowRequestError

Context = grpc.aio.ServicerContext[Any, Any]


async def receive_request(context: Context, timeout_s: float) -> bytes:
    """Returns the bytes of the request.

    The call's handler is one of a stream of requests, which are the same bytes on the wire: gRPC itself waits for a
    single request without end.

    Raises:
        SlowRequestError: it did not come in time.
        NoRequestError: the caller ended the call, or gRPC refused the message.
    """
    try:
        async with asyncio.timeout(timeout_s):
            content = await context.read()
    except TimeoutError:
        raise SlowRequestError(f"no request within {timeout_s} s of the call") from None
    if content is EOF:
        raise NoRequestError("the call ended before there was a request")
    received: bytes = content
    return received
