"""What happens between the coordinator and its shard servers, told to whoever counts it.

Called in the event loop on the way of every call, so an observer must be quick and must not raise. Labels are bounded:
shards and addresses of the cluster file, and the values listed here.
"""

from typing import Literal, Protocol

from coordinator.values import ShardId

Rpc = Literal["LongestMatches", "GetWindows", "GetDocument", "FindDocuments"]

# How a hedge went: a second try was sent; it answered first; it was due, and the budget did not allow it.
HedgeOutcome = Literal["sent", "won", "refused"]

# What the coordinator holds of a replica:
#   usable       it takes its share of the calls
#   ejected      connected, but its calls failed: left out for a while
#   not_serving  connected, and says itself that it is not to be asked: starting, draining or damaged
#   mismatched   connected, but holds another index, or not this shard
#   behind       connected, but does not obey the takedowns that are in force
#   unreachable  not connected
ReplicaState = Literal["usable", "ejected", "not_serving", "mismatched", "behind", "unreachable"]

# How an attempt to reload went:
#   applied    another generation answers from now on
#   waiting    the files are good, but the servers of the new generation cannot search as much yet
#   refused    the files are wrong; the old generation goes on
ReloadOutcome = Literal["applied", "waiting", "refused"]


class ClusterObserver(Protocol):
    """Is told of every call to a server and of every change. `NoObserver` is one that does nothing."""

    def call_finished(self, shard: ShardId, rpc: Rpc, address: str, status: str, seconds: float) -> None:
        """One try at one server is over.

        ``status`` is the name of the gRPC status: OK, UNAVAILABLE, ...; CANCELLED too where the coordinator itself gave
        up (the loser of a hedge, a caller that left), DATA_LOSS where an answer was not what it must be.
        """

    def hedged(self, shard: ShardId, rpc: Rpc, outcome: HedgeOutcome) -> None:
        """A try took long; see `HedgeOutcome`. A hedge that was sent may be reported as won later."""

    def retried(self, shard: ShardId, rpc: Rpc, reason: str) -> None:
        """A try failed and another replica is asked.

        ``reason`` is the gRPC status of the failed try, or EJECTED if its server was ejected while it waited.
        """

    def retry_refused(self, shard: ShardId, rpc: Rpc) -> None:
        """A try failed, and the budget of retries did not allow another."""

    def replica_changed(self, shard: ShardId, address: str, state: ReplicaState) -> None:
        """A replica of the generation that answers has got another state; also told once for each at its start."""

    def replica_removed(self, shard: ShardId, address: str) -> None:
        """A replica is not in the cluster file any more."""

    def replica_ejected(self, shard: ShardId, address: str, reason: str, seconds: float) -> None:
        """A replica is left out for ``seconds``. ``reason`` is a gRPC status, or SLOW for lost hedges."""

    def reload_finished(self, outcome: ReloadOutcome) -> None:
        """The files on disk differ from the generation that answers, and were looked at. Told once for each outcome."""

    def reload_settled(self) -> None:
        """The files on disk are those of the generation that answers again, after another outcome."""

    def generation_changed(self, index_ids: dict[str, str]) -> None:
        """Requests are answered from these indexes from now on: index id by name of corpus. Told at the start too."""

    def takedowns_changed(self, epoch: int) -> None:
        """Requests are answered without the documents of this list of takedowns from now on."""

    def takedown_file_read(self, is_in_force: bool) -> None:
        """The takedown file was looked at: it is what counts, or it has a fault and the list before counts."""

    def withheld_changed(self, shard: ShardId, num_documents: int) -> None:
        """So many documents of a shard are taken down."""


class NoObserver:
    """A `ClusterObserver` that does nothing."""

    def call_finished(self, shard: ShardId, rpc: Rpc, address: str, status: str, seconds: float) -> None:
        """Does nothing."""

    def hedged(self, shard: ShardId, rpc: Rpc, outcome: HedgeOutcome) -> None:
        """Does nothing."""

    def retried(self, shard: ShardId, rpc: Rpc, reason: str) -> None:
        """Does nothing."""

    def retry_refused(self, shard: ShardId, rpc: Rpc) -> None:
        """Does nothing."""

    def replica_changed(self, shard: ShardId, address: str, state: ReplicaState) -> None:
        """Does nothing."""

    def replica_removed(self, shard: ShardId, address: str) -> None:
        """Does nothing."""

    def replica_ejected(self, shard: ShardId, address: str, reason: str, seconds: float) -> None:
        """Does nothing."""

    def reload_finished(self, outcome: ReloadOutcome) -> None:
        """Does nothing."""

    def reload_settled(self) -> None:
        """Does nothing."""

    def generation_changed(self, index_ids: dict[str, str]) -> None:
        """Does nothing."""

    def takedowns_changed(self, epoch: int) -> None:
        """Does nothing."""

    def takedown_file_read(self, is_in_force: bool) -> None:
        """Does nothing."""

    def withheld_changed(self, shard: ShardId, num_documents: int) -> None:
        """Does nothing."""
