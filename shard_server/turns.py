"""Who may run: a number of calls at once, the others wait in the order of their arrival."""

import asyncio

from shard_server.errors import OverloadedError


class Turns:
    """Turns of one event loop; a call that is cancelled while it waits leaves at once."""

    def __init__(self, most_running: int, most_waiting: int):
        self._most_running = most_running
        self._most_waiting = most_waiting
        self._running = 0
        # In the order of arrival; a dictionary, so that whoever gives up leaves without a search.
        self._waiting: dict[asyncio.Future[None], None] = {}

    @property
    def num_running(self) -> int:
        """Calls that have their turn."""
        return self._running

    @property
    def num_waiting(self) -> int:
        """Calls that wait for it."""
        return len(self._waiting)

    def check_room(self) -> None:
        """Checks that one more call could run or wait.

        Raises:
            OverloadedError: too many wait already.
        """
        if self._running >= self._most_running and len(self._waiting) >= self._most_waiting:
            raise OverloadedError(f"{self._running} calls run and {len(self._waiting)} wait")

    async def wait(self) -> None:
        """Returns when the call may run; `end` must follow.

        Raises:
            OverloadedError: too many wait already.
        """
        if self._running < self._most_running:
            self._running += 1
            return
        self.check_room()
        turn = asyncio.get_running_loop().create_future()
        self._waiting[turn] = None
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was this call's turn in the same moment
                self.end()
            raise
        finally:
            self._waiting.pop(turn, None)

    def end(self) -> None:
        """Gives the turn to the call that has waited longest."""
        while self._waiting:
            turn = next(iter(self._waiting))
            del self._waiting[turn]
            if not turn.done():
                turn.set_result(None)
                return
        self._running -= 1
