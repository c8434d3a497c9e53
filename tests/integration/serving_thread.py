"""A server on an event loop of a thread of its own, while the test waits for what it asks of it."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator

_START_S = 60.0


@contextlib.contextmanager
def in_a_thread(serve: Callable[[], contextlib.AbstractAsyncContextManager[str]]) -> Iterator[str]:
    """Serves while the ``with`` block runs, and gives the address."""
    address: list[str] = []
    is_up = threading.Event()
    stop = asyncio.Event()
    loop = asyncio.new_event_loop()

    async def run() -> None:
        async with serve() as at:
            address.append(at)
            is_up.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    try:
        assert is_up.wait(_START_S)
        yield address[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
