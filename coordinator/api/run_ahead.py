"""A stream made in a task of its own, ahead of whoever reads it.

A slow reader does not hold up the work, nor what the work occupies; one that leaves stops it. And what the work sets
for its task, such as the current request, is seen by nobody else.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Ended:
    error: Exception | None = None


async def run_ahead(items: AsyncGenerator[_T, None]) -> AsyncGenerator[_T, None]:
    """Yields what ``items`` yields, and raises what it raises. What is not read yet is kept: ``items`` must be finite.

    When this is closed or cancelled, ``items`` is cancelled where it waits, and has ended when this has.
    """
    made: asyncio.Queue[_T | _Ended] = asyncio.Queue()

    async def make() -> None:
        ended = _Ended()
        try:
            async with aclosing(items):
                async for item in items:
                    made.put_nowait(item)
        except Exception as error:
            ended = _Ended(error)
        except asyncio.CancelledError:  # ours, which nobody reads; or of a call that broke off
            ended = _Ended(RuntimeError("what the work waits for was cancelled"))
        finally:
            made.put_nowait(ended)

    task = asyncio.create_task(make())
    try:
        while not isinstance(item := await made.get(), _Ended):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        task.cancel()
        await asyncio.wait([task])  # unlike awaiting it, this raises only what is meant for the reader
