"""Waits for the answer of a gRPC call, and frees everything of it if nobody waits any more.

What grpc.aio asks of gRPC's core is not freed if the task that waits for it is cancelled, nor is the answer, if it
still comes: 1 to 13 kB a call, for ever (grpc/grpc issue 43360; seen with grpcio 1.69 to 1.85). The loser of every
hedge is such a call. So one that is given up is cancelled at the core alone: its own task sees it end, and frees all.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from grpc.aio import _call

_T = TypeVar("_T")


async def answer_of(call: Awaitable[_T]) -> _T:
    """Returns the answer of a call, or raises as it does. If the caller is cancelled, the server is told so.

    Cost: 10 us, for a task.
    """
    waiting = asyncio.ensure_future(call)
    try:
        return await asyncio.shield(waiting)
    except asyncio.CancelledError:
        if not waiting.done():
            if isinstance(call, _call.Call):
                _call.Call.cancel(call)  # that of a call with one answer also cancels the task
            else:
                waiting.cancel()
        raise
