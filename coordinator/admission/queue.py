"""The order in which requests get their turn: a few are worked on, some wait, the rest are refused at once.

Under overload most requests are refused, so a refusal must cost next to nothing; and no turn is given to a request that
nobody waits for any more, so that what is answered stays near the maximum.
"""

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

from coordinator.errors import OverloadedError

# Weight of the newest turn in the moving means: about the last 20 turns count.
_NEWEST = 0.1
# A request is worth a turn if it has the mean time and so many mean deviations left: nine of ten then end in time.
_DEVIATIONS = 2.0
# Most of a request's time that may go by in the queue. Measured through Serve at twice the capacity: a queue that takes
# nearly all of it hands on requests with too little left, which end late, in part, or not at all.
_WAITING_SHARE = 0.25
# What a caller is told at least and at most: below, it would come back into the same crowd; above, nothing is foreseen.
_SHORTEST_RETRY_S = 0.1
_LONGEST_RETRY_S = 30.0


class QueueObserver(Protocol):
    """Is told what happens at the queue."""

    def waited(self, seconds: float) -> None:
        """A request has its turn after this time."""

    def refused(self, reason: str) -> None:
        """A request was refused: ``queue_full``, ``deadline`` (would be too late) or ``expired`` (became too late)."""


class _TurnTime:
    """How long turns have taken of late, in seconds; zero until the first has ended."""

    def __init__(self) -> None:
        self.mean = 0.0
        self._deviation = 0.0

    @property
    def nearly_all(self) -> float:
        """What few turns take longer than."""
        return self.mean + _DEVIATIONS * self._deviation

    def learn(self, seconds: float) -> None:
        """Takes in one more turn."""
        if self.mean == 0.0:
            self.mean = seconds
        self._deviation += _NEWEST * (abs(seconds - self.mean) - self._deviation)
        self.mean += _NEWEST * (seconds - self.mean)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """What is known of a request that waits."""

    deadline: float
    needs: _TurnTime


class AdmissionQueue:
    """Gives turns: at most ``max_running`` at once, to at most ``max_queued`` that wait, in the order of arrival.

    Belongs to one event loop.
    """

    def __init__(
        self, max_running: int, max_queued: int, observer: QueueObserver, clock: Callable[[], float] = monotonic
    ):
        self._max_running = max_running
        self._max_queued = max_queued
        self._observer = observer
        # The event loop's own has another resolution with uvloop, whole milliseconds, but the same zero.
        self._clock = clock
        self._num_running = 0
        # Those that wait, in order. A result of False means that the turn came too late.
        self._waiting: OrderedDict[asyncio.Future[bool], _Waiting] = OrderedDict()
        self._turn_time = _TurnTime()
        # A count takes a tenth of a trace: what is left for one may be too little for the other.
        self._turn_times: defaultdict[str, _TurnTime] = defaultdict(_TurnTime)

    @property
    def num_running(self) -> int:
        """Turns that are held."""
        return self._num_running

    @property
    def num_waiting(self) -> int:
        """Requests that wait for a turn."""
        return len(self._waiting)

    @asynccontextmanager
    async def turn(self, kind: str, deadline: float) -> AsyncIterator[None]:
        """Holds a turn while the block runs.

        Args:
            kind: What is to be done; turns of a kind take about the same time.
            deadline: When the answer must be there, on the clock of the queue.

        Raises:
            OverloadedError: too many wait, or the wait would take or took the time to answer.
        """
        clock = self._clock
        if self._num_running < self._max_running:  # then nobody waits: whoever ends a turn gives it on
            self._num_running += 1
            self._observer.waited(0.0)
        else:
            arrived = clock()
            await self._wait(arrived, _Waiting(deadline, self._turn_times[kind]))
            self._observer.waited(clock() - arrived)
        began = clock()
        try:
            yield
            # Of those that fail it is not known how long they would have taken.
            self._turn_times[kind].learn(clock() - began)
        finally:
            self._num_running -= 1
            self._turn_time.learn(clock() - began)
            self._give_turns()

    async def _wait(self, now: float, request: _Waiting) -> None:
        if len(self._waiting) >= self._max_queued:
            raise self._refusal("queue_full", f"{len(self._waiting)} requests wait, no more can")
        wait_s, left_s = self._expected_wait_s(), max(request.deadline - now, 0.0)
        if wait_s > left_s * _WAITING_SHARE or wait_s + request.needs.nearly_all > left_s:
            raise self._refusal(
                "deadline",
                f"a wait of {wait_s:.2f} s would leave too little of the {left_s:.2f} s that the request gives",
            )
        turn = asyncio.get_running_loop().create_future()
        self._waiting[turn] = request
        try:
            async with asyncio.timeout_at(request.deadline):
                has_turn = await turn
        except BaseException as error:
            self._give_up(turn)
            if isinstance(error, TimeoutError):
                raise self._refusal("expired", "the time to answer passed in the queue") from None
            raise
        if not has_turn:
            raise self._refusal("expired", "what the queue left of the time to answer is too little")

    def _give_up(self, turn: "asyncio.Future[bool]") -> None:
        """Forgets a request that waits no more; if its turn had just come, the next one gets it."""
        self._waiting.pop(turn, None)
        if turn.done() and not turn.cancelled() and turn.result():
            self._num_running -= 1
            self._give_turns()

    def _give_turns(self) -> None:
        now = self._clock()
        while self._waiting and self._num_running < self._max_running:
            turn, request = self._waiting.popitem(last=False)
            if turn.done():  # cancelled, and not yet forgotten
                continue
            in_time = now + request.needs.nearly_all < request.deadline
            self._num_running += in_time
            turn.set_result(in_time)

    def _expected_wait_s(self) -> float:
        """Returns when one more would have its turn: all ahead and one of those that run end first."""
        return (len(self._waiting) + 1) * self._turn_time.mean / self._max_running

    def _refusal(self, reason: str, message: str) -> OverloadedError:
        self._observer.refused(reason)
        # By then all that wait now have had their turn.
        retry_s = min(max(self._expected_wait_s(), _SHORTEST_RETRY_S), _LONGEST_RETRY_S)
        return OverloadedError(f"{message}; come back in {retry_s:.1f} s", retry_s)
