"""Equal requests at the same time: one does the work, the others wait for what it finds."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

_T = TypeVar("_T")

# What a worker leaves behind: a result that holds for others, none that does, or no result because it was cancelled.
_Outcome = tuple[bytes | None, bool]


class SingleFlight:
    """Work in progress, by key. Belongs to one event loop."""

    def __init__(self) -> None:
        self._flights: dict[bytes, asyncio.Future[_Outcome]] = {}

    def __len__(self) -> int:
        return len(self._flights)

    async def join(self, key: bytes, deadline: float) -> bytes | None:
        """Returns what another request with this key found; None if the caller has to work itself.

        A caller that gets None because nobody works yet is expected to `lead`, before it waits for anything else. One
        whose worker failed gets None too, and works beside the others in the same position: no queue of failures.

        Raises:
            TimeoutError: ``deadline``, on the monotonic clock, has passed.
        """
        async with asyncio.timeout_at(deadline):
            while (flight := self._flights.get(key)) is not None:
                # Shielded: a caller that goes away must not take the result from the others.
                content, was_cancelled = await asyncio.shield(flight)
                if not was_cancelled:
                    return content
        return None

    async def lead(self, key: bytes, work: Callable[[], Awaitable[tuple[bytes | None, _T]]]) -> _T:
        """Does the work for all that `join` from now on.

        ``work`` gives what the others get, None if it does not hold for them, and what the caller gets. Where another
        leads already, this one works for itself alone.
        """
        if key in self._flights:
            return (await work())[1]
        flight: asyncio.Future[_Outcome] = asyncio.get_running_loop().create_future()
        self._flights[key] = flight
        outcome: _Outcome = (None, False)
        try:
            shared, own = await work()
            outcome = (shared, False)
            return own
        except asyncio.CancelledError:
            outcome = (None, True)
            raise
        finally:
            del self._flights[key]
            flight.set_result(outcome)
