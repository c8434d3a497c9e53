"""What is known of one shard server: whether it is connected, whether it serves, and what it holds.

A task watches grpc.health.v1 of the server. On SERVING it asks what the server holds; on NOT_SERVING, or when the
stream breaks, the server is out until it says otherwise. Keepalive pings break the stream of a server that is frozen.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from coordinator.cluster import shard_codec
from coordinator.cluster.held_shard import HeldShard
from coordinator.cluster.renewable_channel import RenewableChannel
from coordinator.cluster.server_channel import open_channel
from coordinator.cluster.server_credentials import ServerCredentials
from coordinator.cluster.settings import ClusterSettings
from coordinator.cluster.shard_client import reason_of
from coordinator.cluster.takedown_push import PUSH_S, Orders, PushFailedError, push
from protos.shard.v1 import shard_pb2, shard_pb2_grpc

SERVICE = shard_pb2.DESCRIPTOR.services_by_name["ShardService"].full_name

# A server that is there answers either within milliseconds; the limit is for those that accept and say nothing.
_ANSWER_S = 2.0
# Between tries that fail at once.
_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.5
_LOOK_AGAIN_S = 0.5
_LONGEST_PUSH_PAUSE_S = 5.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LinkState:
    """What is known of a server.

    Attributes:
        kind: ``connecting`` until the first outcome.
        reason: Why it does not serve.
        held: What it said it holds; kept while it is not serving, and empty when it is not connected.
        connection: Number of the connection; another one may be to another process.
        description: Number of the answer that ``held`` is from.
        obeys: Which takedowns it has said over this connection that it obeys: the digest of `Orders`.
        takedown_problem: Why it does not obey those that it was sent last; empty if it does, or is not heard of yet.
        damages: How often it was found to have stopped because a file is damaged.
    """

    kind: Literal["connecting", "serving", "not_serving", "unreachable"] = "connecting"
    reason: str = "not connected yet"
    held: tuple[HeldShard, ...] = ()
    connection: int = 0
    description: int = 0
    obeys: str = ""
    takedown_problem: str = ""
    damages: int = 0


class _NotDescribedError(Exception):
    """A server answered, and not with a description."""


class ServerLink:
    """The connection to one server, shared by all its shards and by the generations that use it."""

    def __init__(self, address: str, settings: ClusterSettings, credentials: ServerCredentials | None = None):
        """Opens the channel; `start` begins to watch."""
        self.address = address
        self.channel = open_channel(address, settings, credentials)
        self._credentials = credentials
        self._version = credentials.version if credentials is not None else 0
        self.state = LinkState()
        self.calls_in_flight = 0
        """Calls that wait for the server; counted by those who make them."""
        self._health = health_pb2_grpc.HealthStub(self.channel)
        self._shards = shard_pb2_grpc.ShardServiceStub(self.channel)
        self._listeners: dict[Callable[[], None], None] = {}
        self._random = random.Random(address)  # noqa: S311 - spreads reconnects, no secret
        self._watching: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._orders: Orders | None = None
        self._pushing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to watch the server."""
        self._watching = asyncio.create_task(self._watch(), name=f"watch {self.address}")

    async def close(self) -> None:
        """Stops watching and closes the channel; calls over it fail."""
        tasks = [task for task in (self._watching, self._looking, self._pushing) if task is not None]
        self._watching = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.channel.close(None)

    async def renew(self) -> None:
        """Goes over to a connection with the newest credentials, if there are newer ones. No call is lost.

        Where the server takes the old ones only, they stay, and the next call here tries again.
        """
        if self._credentials is None or self._credentials.version == self._version:
            return
        version = self._credentials.version
        assert isinstance(self.channel, RenewableChannel), "one with credentials is"
        if not await self.channel.renew(_ANSWER_S):
            if self._is_connected:
                _log.error("changed TLS files do not get through to a shard server", extra={"address": self.address})
                return
            self.channel.replace()
        self._version = version
        if (watching := self._watching) is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            if self._watching is watching:  # and was not closed meanwhile
                self.start()

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Calls ``listener`` after each change of `state`, in the order of subscription."""
        self._listeners[listener] = None

    def unsubscribe(self, listener: Callable[[], None]) -> None:
        """Ends that."""
        self._listeners.pop(listener, None)

    def look_again(self) -> None:
        """Asks the server soon what it holds: a call has shown that it is not what it said."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_again(), name=f"describe {self.address}")

    def order(self, orders: Orders) -> None:
        """Has the server obey takedowns, now and after every new connection, unless later ones were ordered."""
        if self._orders is None or orders.epoch >= self._orders.epoch:
            self._orders = orders
            self.state = replace(self.state, takedown_problem="")
            self._push_soon()

    @property
    def _is_connected(self) -> bool:
        return self.state.kind in ("serving", "not_serving")

    async def _watch(self) -> None:
        pause_s, waits = _FIRST_PAUSE_S, False
        while True:
            try:
                reason = await self._follow(waits)
            except Exception as error:  # the edge of this task: a link that is not watched would be out for ever
                _log.exception("watching a shard server failed", extra={"address": self.address})
                reason = f"watching it failed: {type(error).__name__}"
            was_connected = self._is_connected
            if reason is not None:
                self._become(replace(self.state, kind="unreachable", reason=reason, held=()))
            # In turn: one try says at once why there is no connection, the next one waits until there is one.
            waits = not waits and not was_connected
            pause_s = _FIRST_PAUSE_S if was_connected or reason is None else min(2 * pause_s, _LONGEST_PAUSE_S)
            await asyncio.sleep(pause_s * self._random.uniform(0.5, 1.0))

    async def _follow(self, waits: bool) -> str | None:
        """Follows the health of the server until the stream ends, and returns why it did.

        With ``waits`` it begins as soon as there is a connection; if there is none for long, it returns None.
        """
        call = self._health.Watch(health_pb2.HealthCheckRequest(service=SERVICE), wait_for_ready=waits)
        try:
            async with asyncio.timeout(_ANSWER_S):
                status = await call.read()
            is_new = True
            while status is not grpc.aio.EOF:  # type: ignore[attr-defined]
                await self._turn(status.status, is_new)
                is_new = False
                status = await call.read()
            return "the server ended the watch of its health"
        except grpc.aio.AioRpcError as error:
            return reason_of(error)
        except _NotDescribedError as error:
            return str(error)
        except TimeoutError:
            return None if waits else f"no answer within {_ANSWER_S:.3g} s"
        finally:
            call.cancel()

    async def _turn(self, status: int, is_new: bool) -> None:
        if is_new:
            # Maybe to another process: what was said over the one before holds no more.
            self.state = replace(self.state, connection=self.state.connection + 1, obeys="", takedown_problem="")
        is_serving = status == health_pb2.HealthCheckResponse.SERVING
        state = self.state
        # Of a server that does not serve too, once: one that drains is better than none.
        if is_serving or not state.held:
            held = await self._describe()
            state = self._described(self.state, held)  # as it is now: orders may have been answered meanwhile
        if is_new:
            # A server that has kept the list says so at once; then no call has to wait for it.
            with contextlib.suppress(PushFailedError):
                state = await self._pushed(state, _ANSWER_S)
        if is_serving:
            self._become(replace(state, kind="serving", reason=""))
        else:
            name = health_pb2.HealthCheckResponse.ServingStatus.Name(status)
            self._become(replace(state, kind="not_serving", reason=f"the server says {name}"))
            if await self._is_damaged():
                self._become(replace(self.state, damages=self.state.damages + 1))
        self._push_soon()

    async def _is_damaged(self) -> bool:
        """Returns whether a server that does not serve has found a file damaged; it refuses every call then."""
        try:
            await self._describe()
        except grpc.aio.AioRpcError as error:
            return error.code() is grpc.StatusCode.DATA_LOSS
        except _NotDescribedError:
            pass
        return False

    async def _describe(self) -> tuple[HeldShard, ...]:
        response = await self._shards.Describe(shard_pb2.DescribeRequest(), timeout=_ANSWER_S)
        if response is None:  # what grpc.aio makes of a message that it cannot parse
            raise _NotDescribedError("what it holds cannot be read; is the server of the coordinator's version?")
        return shard_codec.decode_held(response)

    def _described(self, state: LinkState, held: tuple[HeldShard, ...]) -> LinkState:
        """Returns ``state`` with another description.

        If that differs, somebody else may have sent the server another list with the number of the orders: then it
        counts as not obeying until it has answered them again. One that has gone over to a later list does not obey
        them in any case, and would refuse them.
        """
        orders = self._orders
        is_later = orders is not None and any(shard.takedown_epoch > orders.epoch for shard in held)
        obeys = state.obeys if held == state.held or is_later else ""
        return replace(state, held=held, description=state.description + 1, obeys=obeys)

    async def _look_again(self) -> None:
        while True:
            # Not at once: a server that keeps contradicting itself is asked twice a second, whatever the number of
            # calls.
            await asyncio.sleep(_LOOK_AGAIN_S * self._random.uniform(0.5, 1.0))
            connection = self.state.connection
            if not self._is_connected:
                return  # the next connection begins with a description
            try:
                held = await self._describe()
            except (grpc.aio.AioRpcError, _NotDescribedError):
                continue  # until then no call goes there, so nobody else would find out
            if self.state.connection == connection and self._is_connected:
                self._become(self._described(self.state, held))
                self._push_soon()
                return

    async def _pushed(self, state: LinkState, timeout_s: float) -> LinkState:
        """Returns ``state`` with the server's answer to its orders, if it has any that it does not obey yet."""
        orders = self._orders
        if orders is None or not orders.epoch or state.obeys == orders.digest:
            return state
        held = await push(self._shards, orders, timeout_s)
        return replace(state, held=held, description=state.description + 1, obeys=orders.digest, takedown_problem="")

    def _push_soon(self) -> None:
        if self._pushing is None or self._pushing.done():
            self._pushing = asyncio.create_task(self._push(), name=f"takedowns to {self.address}")

    async def _push(self) -> None:
        """Sends the orders until the server obeys, is lost, or does not need any."""
        pause_s = _FIRST_PAUSE_S
        while self._is_connected and (orders := self._orders) is not None:
            connection = self.state.connection
            try:
                answered = await self._pushed(self.state, PUSH_S)
            except PushFailedError as error:
                if self.state.connection == connection and self._orders is orders:
                    self._become(replace(self.state, takedown_problem=str(error)))
                    _log.error(
                        "shard server does not obey takedowns",
                        extra={"address": self.address, "epoch": orders.epoch, "reason": str(error)},
                    )
                pause_s = min(2 * pause_s, _LONGEST_PUSH_PAUSE_S)
                await asyncio.sleep(pause_s * self._random.uniform(0.5, 1.0))
                continue
            if self.state.connection == connection and self._is_connected and answered.obeys != self.state.obeys:
                # Of what has changed meanwhile only the rest holds.
                self._become(
                    replace(
                        self.state,
                        held=answered.held,
                        description=self.state.description + 1,
                        obeys=answered.obeys,
                        takedown_problem="",
                    )
                )
            if self._orders is orders and self.state.connection == connection:
                return

    def _become(self, state: LinkState) -> None:
        if state == self.state:
            return
        self.state = state
        for listener in list(self._listeners):
            listener()
