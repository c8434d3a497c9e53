"""A channel whose connection is replaced by another while calls go over it: for credentials that change.

gRPC fixes the credentials of a channel when it is made. What is called here goes over the newest connection; a call
that runs ends on the one it began on.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio


class RenewableChannel(grpc.aio.Channel):
    """A channel of channels, one after the other. One event loop."""

    def __init__(self, open_another: Callable[[], grpc.aio.Channel], retire_s: float):
        """Opens the first.

        Args:
            open_another: Returns a channel with the credentials of that moment.
            retire_s: Time that calls have to end on a channel that was replaced, in seconds.
        """
        self._open_another = open_another
        self._retire_s = retire_s
        self._retiring: dict[grpc.aio.Channel, asyncio.TimerHandle] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self.current = open_another()
        """What calls go over."""

    async def renew(self, timeout_s: float) -> bool:
        """Returns whether another connection came about in time, and has taken the place of the present one."""
        another = self._open_another()
        try:
            async with asyncio.timeout(timeout_s):
                await another.channel_ready()
        except BaseException as error:
            await another.close(None)
            if isinstance(error, TimeoutError):
                return False
            raise
        if self._is_closed:
            await another.close(None)
            return False
        self._go_over_to(another)
        return True

    def replace(self) -> None:
        """Puts another channel in the place of the present one, whether it can connect or not."""
        self._go_over_to(self._open_another())

    def _go_over_to(self, another: grpc.aio.Channel) -> None:
        replaced, self.current = self.current, another
        self._retiring[replaced] = asyncio.get_running_loop().call_later(self._retire_s, self._retire, replaced)

    def _retire(self, channel: grpc.aio.Channel) -> None:
        del self._retiring[channel]
        task = asyncio.create_task(channel.close(None))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self, grace: float | None = None) -> None:
        """Closes all of them."""
        self._is_closed = True
        for timer in self._retiring.values():
            timer.cancel()
        replaced = list(self._retiring)
        self._retiring.clear()
        await asyncio.gather(*self._closing, *(channel.close(grace) for channel in (*replaced, self.current)))

    def unary_unary(self, *args: Any, **kwargs: Any) -> Any:
        """Returns what calls a method over the channel of the moment."""
        return _Method(self, "unary_unary", args, kwargs)

    def unary_stream(self, *args: Any, **kwargs: Any) -> Any:
        """Returns what calls a method over the channel of the moment."""
        return _Method(self, "unary_stream", args, kwargs)

    def stream_unary(self, *args: Any, **kwargs: Any) -> Any:
        """Returns what calls a method over the channel of the moment."""
        return _Method(self, "stream_unary", args, kwargs)

    def stream_stream(self, *args: Any, **kwargs: Any) -> Any:
        """Returns what calls a method over the channel of the moment."""
        return _Method(self, "stream_stream", args, kwargs)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """Returns the state of the channel of the moment."""
        return self.current.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Waits on the channel of the moment."""
        await self.current.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Waits on the channel of the moment."""
        await self.current.channel_ready()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


class _Method:
    """A method of a service, as a stub holds it."""

    def __init__(self, owner: RenewableChannel, kind: str, args: tuple[Any, ...], kwargs: dict[str, Any]):
        self._owner = owner
        self._kind, self._args, self._kwargs = kind, args, kwargs
        self._channel: grpc.aio.Channel | None = None
        self._method: Any = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._channel is not self._owner.current:
            self._channel = self._owner.current
            self._method = getattr(self._channel, self._kind)(*self._args, **self._kwargs)
        return self._method(*args, **kwargs)
