"""What a shard server is told about takedowns, and how."""

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import grpc.aio

from coordinator.cluster import shard_codec
from coordinator.cluster.held_shard import HeldShard
from coordinator.cluster.shard_client import reason_of
from coordinator.takedown_list import KeptTakedown, TakedownList
from coordinator.values import ShardId
from index_format.takedowns import Takedown
from protos.shard.v1 import shard_pb2, shard_pb2_grpc

_log = logging.getLogger(__name__)

PUSH_S = 120.0
"""Most time that a server has to find the documents of a list; a first look at all metadata takes a while."""


@dataclass(frozen=True, slots=True)
class Orders:
    """The takedowns that one server has to obey.

    Attributes:
        epoch: Number of the list; 0 if there was never one: then the server must hold none.
        digest: Tells these orders from all others; empty for number 0.
        request: What the server is sent.
    """

    epoch: int
    digest: str
    request: shard_pb2.SetTakedownsRequest

    @classmethod
    def of(cls, epoch: int, takedowns: Iterable[shard_pb2.Takedown]) -> Self:
        """Returns the orders to obey these takedowns."""
        request = shard_pb2.SetTakedownsRequest(epoch=epoch, takedowns=takedowns)
        content = request.SerializeToString(deterministic=True)
        return cls(epoch, hashlib.sha256(content).hexdigest() if epoch else "", request)


class PushFailedError(Exception):
    """A server does not obey. The message says why, on one line."""


async def push(stub: "shard_pb2_grpc.ShardServiceAsyncStub", orders: Orders, timeout_s: float) -> tuple[HeldShard, ...]:
    """Returns what a server holds once it obeys.

    Raises:
        PushFailedError: it does not.
    """
    try:
        response = await stub.SetTakedowns(orders.request, timeout=timeout_s)
    except grpc.aio.AioRpcError as error:
        raise PushFailedError(f"{error.code().name}: {reason_of(error)}") from None
    except grpc.aio.UsageError:
        raise PushFailedError("the connection was closed") from None
    if response is None:  # what grpc.aio makes of a message that it cannot parse
        raise PushFailedError("its answer cannot be read; is the server of the coordinator's version?")
    return shard_codec.decode_held(response)


@dataclass(frozen=True, slots=True)
class ClusterOrders:
    """The takedowns of one generation.

    Attributes:
        takedowns: Those in force.
        by_address: What each server has to obey.
        key: Tells these takedowns from all others.
        messages: Each takedown with its message, by its identity: most lists differ in few from the one before.
        unserved: Those that concern none of the corpora.
    """

    takedowns: TakedownList
    by_address: Mapping[str, Orders]
    key: str
    messages: Mapping[int, tuple[KeptTakedown, shard_pb2.Takedown]]
    unserved: tuple[KeptTakedown, ...]

    @classmethod
    def of(
        cls,
        takedowns: TakedownList,
        index_ids: Mapping[str, str],
        addresses: Mapping[ShardId, Sequence[str]],
        before: Self | None = None,
    ) -> Self:
        """Returns the orders for the servers of some shards, with what is known from those before.

        ``index_ids`` are those of the corpora, by name.

        Of 100,000 takedowns that takes seconds the first time.
        """
        corpora: dict[str, set[str]] = {}
        for shard, replicas in addresses.items():
            for address in replicas:
                corpora.setdefault(address, set()).add(shard.corpus)
        known = before.messages if before is not None else {}
        messages = {id(one): known.get(id(one)) or (one, _message(one)) for one in takedowns.takedowns}
        distinct = {
            names: _of_corpora(takedowns.epoch, messages.values(), {name: index_ids[name] for name in names})
            for names in {frozenset(names) for names in corpora.values()}
        }
        by_address = {address: distinct[frozenset(names)] for address, names in corpora.items()}
        digests = "".join(sorted(orders.digest for orders in distinct.values()))
        key = f"{takedowns.epoch}:{hashlib.sha256(digests.encode()).hexdigest()}"
        unserved = tuple(one for one in takedowns.takedowns if not one.concerns(index_ids))
        if unserved:
            fields = {"takedowns": len(unserved), "first": unserved[0].id}
            _log.warning("takedowns of corpora that are not served take nothing down here", extra=fields)
        return cls(takedowns, by_address, key, messages, unserved)


def _of_corpora(
    epoch: int, messages: Iterable[tuple[KeptTakedown, shard_pb2.Takedown]], index_ids: Mapping[str, str]
) -> Orders:
    return Orders.of(epoch, [said for one, said in messages if one.concerns(index_ids)])


def _message(takedown: KeptTakedown) -> shard_pb2.Takedown:
    return shard_codec.encode_takedown(Takedown(takedown.id, takedown.target))
