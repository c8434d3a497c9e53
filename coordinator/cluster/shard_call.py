"""One call to a shard: a try at one replica, and more at others when it fails, is slow, or its server is left out.

The first good answer wins and the other tries are cancelled. No try outlives the call.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from coordinator.cluster.observer import Rpc
from coordinator.cluster.replica import Client, Replica
from coordinator.cluster.shard_client import AnotherViewError, TryFailedError
from coordinator.errors import ConfigurationError, DocumentNotFoundError, ShardUnavailableError, ViewChangedError
from runtime import telemetry

if TYPE_CHECKING:
    from coordinator.cluster.replica_set import ReplicaSet

_T = TypeVar("_T")

# A first try leaves time for so many more, as far as there are replicas.
_MOST_LATER_TRIES = 2
# The caller gives up at its deadline; a try ends a little earlier, so that it can say why.
_MARGIN_S = 0.02
_MARGIN_SHARE = 0.02
MOST_REASONS = 4
# Calls that say themselves of which view they are, or do not mind.
_OF_ANY_VIEW: tuple[Rpc, ...] = ("GetWindows", "FindDocuments")


class Attempt:
    """One try at one replica."""

    __slots__ = ("call", "connection", "is_hedge", "replica", "started", "task")

    task: "asyncio.Task[object]"

    def __init__(self, call: "ShardCall[object]", replica: Replica, started: float, is_hedge: bool):
        self.call = call
        self.replica = replica
        self.connection = replica.connection
        self.started = started
        self.is_hedge = is_hedge


class ShardCall(Generic[_T]):
    """One call; `run` it once."""

    def __init__(
        self,
        replicas: "ReplicaSet",
        rpc: Rpc,
        send: Callable[[Client, float], Awaitable[_T]],
        deadline_s: float,
        check: Callable[[Replica, _T], None] = lambda _replica, _answer: None,
    ):
        """Takes what to send, ``send(client, timeout_s)``, and what must hold of the answer.

        Both must raise `TryFailedError` for a fault.
        """
        self._set = replicas
        self._rpc: Rpc = rpc
        self._send = send
        self._check = check
        self._any_view = rpc in _OF_ANY_VIEW
        self._met_another_view = False
        self._now = replicas.now
        self._deadline_s = deadline_s
        margin_s = min(_MARGIN_S, _MARGIN_SHARE * deadline_s)
        self._until = self._now() + deadline_s - margin_s
        self._running: dict[asyncio.Task[object], Attempt] = {}
        self._tried: dict[Replica, int] = {}  # with the number of the connection: another one is another chance
        self._reasons: dict[str, str] = {}
        self._hedge_at: float | None = None
        self._cut_at = float("-inf")
        self._num_retries = 0
        self._gave_up = False
        self._is_over = False

    async def run(self) -> _T:
        """Returns the answer.

        Raises:
            ShardUnavailableError: no replica answered before the deadline.
            ViewChangedError: other documents are taken down by now than in this generation.
        """
        try:
            while True:
                if not self._running:
                    await self._begin_any()
                timeout_s = None if self._hedge_at is None else max(0.0, self._hedge_at - self._now())
                done, _ = await asyncio.wait(self._running, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
                if not done:
                    self._hedge()
                for task in done:
                    attempt = self._running.pop(task)
                    if task.cancelled():  # moved to another replica
                        self._reasons[attempt.replica.address] = "left out while it was asked"
                        continue
                    outcome = task.result()
                    if not isinstance(outcome, TryFailedError):
                        self._won(attempt)
                        return outcome  # type: ignore[return-value]  # `_send` returns it
                    self._failed(attempt, outcome)
        finally:
            self._is_over = True
            for task in self._running:
                task.cancel()

    def move_on(self, attempt: Attempt) -> None:
        """Asks another replica in place of one that was just left out, if there is a good one."""
        if self._is_over or attempt.task.done():
            return
        replica = self._set.pick(self._tried, usable_only=True)
        if replica is None or self._left_s() <= 0 or not self._may_retry("EJECTED"):
            return
        self._begin(replica, is_hedge=False)
        attempt.task.cancel()

    async def _begin_any(self) -> None:
        """Begins a try, after a short wait if the shard has lost its last replica just now."""
        while (replica := self._pick()) is None and not self._gave_up:
            if self._has_moved_on():
                break
            lost_at = max(self._set.lost_at, self._cut_at)
            grace_s = min(lost_at + self._set.grace_s, self._until) - self._now()
            if grace_s <= 0:
                break
            await self._set.wait_for_change(grace_s)
        if replica is not None and self._left_s() > 0 and self._tried and not self._gave_up:
            self._gave_up = not self._may_retry("UNAVAILABLE")
        if replica is None or self._left_s() <= 0 or self._gave_up:
            raise ViewChangedError(self._why()) if self._has_moved_on() else ShardUnavailableError(self._why())
        self._begin(replica, is_hedge=False)

    def _pick(self) -> Replica | None:
        return self._set.pick(self._tried, any_view=self._any_view)

    def _has_moved_on(self) -> bool:
        """Returns whether servers have gone over to other takedowns: then this generation is about to be replaced."""
        return self._met_another_view or (self._set.is_ahead and not self._any_view)

    def _begin(self, replica: Replica, *, is_hedge: bool) -> None:
        started = self._now()
        attempt = Attempt(self, replica, started, is_hedge)  # type: ignore[arg-type]  # of whatever type
        self._tried[replica] = replica.connection
        num_later = min(_MOST_LATER_TRIES, self._set.num_untried(self._tried))
        timeout_s = self._left_s() / (1 + num_later)
        replica.link.calls_in_flight += 1
        replica.attempts[attempt] = None
        attempt.task = task = asyncio.create_task(self._try(replica, timeout_s, is_hedge))
        self._running[task] = attempt
        task.add_done_callback(lambda _: self._finished(attempt))
        self._hedge_at = started + self._set.hedge_delay(self._rpc) if num_later else None

    async def _try(self, replica: Replica, timeout_s: float, is_hedge: bool) -> object:
        try:
            if not telemetry.is_on():
                return await self._checked(replica, timeout_s)
            shard = self._set.shard
            attributes: dict[str, str | int | bool] = {
                "corpus": shard.corpus,
                "shard": shard.number,
                "rpc": self._rpc,
                "address": replica.address,
                "hedge": is_hedge,
            }
            with telemetry.otel_span(self._rpc, kind="client", attributes=attributes):
                return await self._checked(replica, timeout_s)
        except TryFailedError as error:
            return error

    async def _checked(self, replica: Replica, timeout_s: float) -> _T:
        answer = await self._send(replica.client, timeout_s)
        self._check(replica, answer)
        return answer

    def _finished(self, attempt: Attempt) -> None:
        """Whatever the end: the books are kept, and an error that nobody waits for any more is taken."""
        attempt.replica.link.calls_in_flight -= 1
        attempt.replica.attempts.pop(attempt, None)
        seconds = self._now() - attempt.started
        self._set.observer.call_finished(
            self._set.shard, self._rpc, attempt.replica.address, _status_of(attempt.task), seconds
        )

    def _hedge(self) -> None:
        self._hedge_at = None
        replica = self._set.pick(self._tried, usable_only=True)
        if replica is None:
            return
        if not self._set.hedges.take():
            self._set.observer.hedged(self._set.shard, self._rpc, "refused")
            return
        self._set.observer.hedged(self._set.shard, self._rpc, "sent")
        self._begin(replica, is_hedge=True)

    def _won(self, attempt: Attempt) -> None:
        self._is_over = True
        self._set.succeeded(attempt.replica, self._rpc, self._now() - attempt.started)
        if attempt.is_hedge:
            self._set.observer.hedged(self._set.shard, self._rpc, "won")
            for loser in self._running.values():
                if loser.started < attempt.started:
                    self._set.failed(loser.replica, loser.connection, "SLOW")

    def _failed(self, attempt: Attempt, failure: TryFailedError) -> None:
        replica = attempt.replica
        self._reasons[replica.address] = (
            failure.reason if failure.status == "DEADLINE_EXCEEDED" else f"{failure.status}: {failure.reason}"
        )
        if isinstance(failure, AnotherViewError):
            self._met_another_view = True
            replica.link.look_again()
        elif failure.status == "UNAVAILABLE":
            self._cut_at = self._now()  # the link may hear of it a moment later
        # A caller that leaves little time makes no server an outlier.
        waited_s = self._now() - attempt.started
        is_slow = failure.status != "DEADLINE_EXCEEDED" or waited_s >= 2 * self._set.hedge_delay(self._rpc)
        if is_slow and not isinstance(failure, AnotherViewError):
            self._set.failed(replica, attempt.connection, failure.status)
        untried = self._pick()
        if untried is None or self._left_s() <= 0:
            return
        if self._may_retry(failure.status):
            self._begin(untried, is_hedge=False)
        else:
            self._gave_up = True

    def _may_retry(self, reason: str) -> bool:
        """Returns whether another try is allowed, and counts it.

        The first one after a lost connection always is: a server that dies takes all its calls with it at once, which
        no budget is made for, and each of them is sent again once at most.
        """
        if (reason == "UNAVAILABLE" and not self._num_retries) or self._set.retries.take():
            self._num_retries += 1
            self._set.observer.retried(self._set.shard, self._rpc, reason)
            return True
        self._set.observer.retry_refused(self._set.shard, self._rpc)
        return False

    def _left_s(self) -> float:
        return self._until - self._now()

    def _why(self) -> str:
        reasons = [f"{address}: {reason}" for address, reason in self._reasons.items()]
        reasons += [self._why_not(one) for one in self._set.replicas if one.address not in self._reasons]
        more = f"; and {len(reasons) - MOST_REASONS} more" if len(reasons) > MOST_REASONS else ""
        return f"no replica of {self._set.shard} answered: {'; '.join(reasons[:MOST_REASONS])}{more}"

    def _why_not(self, replica: Replica) -> str:
        """Returns why a replica was not asked: one that is well was left out for reasons of this call."""
        if not replica.is_usable(self._now()):
            return replica.reason()
        return (
            f"{replica.address}: not asked, {'the budget of retries is used up' if self._gave_up else 'no time left'}"
        )


def _status_of(task: "asyncio.Task[object]") -> str:
    if task.cancelled():
        return "CANCELLED"
    error = task.exception()
    if error is None:
        outcome = task.result()
        return outcome.status if isinstance(outcome, TryFailedError) else "OK"
    if isinstance(error, DocumentNotFoundError):
        return "NOT_FOUND"
    return "INVALID_ARGUMENT" if isinstance(error, ConfigurationError) else "INTERNAL"
