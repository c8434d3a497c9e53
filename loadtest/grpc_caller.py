"""Calls over gRPC."""

import asyncio
import itertools
from collections.abc import Iterator

import grpc
import grpc.aio

from loadtest.access import Access
from loadtest.messages import Message, rpc_path
from loadtest.replies import OK, Received, Reply, read_messages
from loadtest.results import NO_ANSWER
from protos.coordinator.v1 import coordinator_pb2 as pb

_MAX_MESSAGE_BYTES = 64 * 1024 * 1024
# Should gRPC itself not end a call at its deadline.
_BACKSTOP_S = 1.0


class GrpcCaller:
    """Sends messages over some connections in turn."""

    def __init__(self, access: Access, connections: int):
        """Opens the channels; `connect` connects them."""
        options: list[tuple[str, str | int]] = [
            ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
            # Otherwise all channels to one target share a connection, and the streams it may have.
            ("grpc.use_local_subchannel_pool", 1),
            # A call that failed is an error of the server; trying again would hide it.
            ("grpc.enable_retries", 0),
        ]
        self._metadata = access.metadata()
        self._channels = [access.open_channel(options) for _ in range(connections)]
        self._unary: dict[type[Message], Iterator[grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]]] = {
            kind: itertools.cycle([channel.unary_unary(rpc_path(kind), None, None) for channel in self._channels])
            for kind in (pb.TraceRequest, pb.CountRequest)
        }
        self._streams: Iterator[grpc.aio.UnaryStreamMultiCallable[bytes, bytes]] = itertools.cycle(
            [channel.unary_stream(rpc_path(pb.TraceStreamRequest), None, None) for channel in self._channels]
        )

    async def connect(self, timeout_s: float) -> None:
        """Connects all channels, so that no request pays for it.

        Raises:
            TimeoutError: not all are connected in time.
        """
        async with asyncio.timeout(timeout_s):
            await asyncio.gather(*(channel.channel_ready() for channel in self._channels))

    async def send(self, message: Message, timeout_s: float) -> Received:
        """Returns what came back for a message; it is given up ``timeout_s`` after it was sent."""
        content = message.SerializeToString()
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(timeout_s + _BACKSTOP_S):
                if isinstance(message, pb.TraceStreamRequest):
                    call = next(self._streams)(content, timeout=timeout_s, metadata=self._metadata)
                    return Received(OK, tuple([part async for part in call]))
                unary = next(self._unary[type(message)])
                return Received(OK, (await unary(content, timeout=timeout_s, metadata=self._metadata),))
        except TimeoutError:
            return Received(NO_ANSWER)
        except grpc.aio.AioRpcError as error:
            # At this deadline it was this client that gave up: the server has not said a word.
            waited = asyncio.get_running_loop().time() - began >= timeout_s
            is_hung = error.code() is grpc.StatusCode.DEADLINE_EXCEEDED and waited
            return Received(NO_ANSWER if is_hung else error.code().name)

    def read(self, kind: type[Message], received: Received) -> Reply:
        """Returns what came back for a message of a kind, read."""
        return read_messages(kind, received)

    async def close(self) -> None:
        """Closes the channels."""
        await asyncio.gather(*(channel.close(None) for channel in self._channels))
