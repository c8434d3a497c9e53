"""A generation: the indexes that are answered from, with a pipeline over their shards. It never changes.

Every request is answered from one generation, so an answer never mixes two contents of an index.
"""

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Callable, Collection, Sequence

from coordinator.access.takedown_record import TakedownsInForce
from coordinator.cluster.link_pool import LinkPool
from coordinator.cluster.observer import ClusterObserver
from coordinator.cluster.replica_set import ReplicaSet
from coordinator.cluster.server_link import ServerLink
from coordinator.cluster.settings import ClusterSettings
from coordinator.cluster.shard_client import ShardClient
from coordinator.cluster.snapshot import ClusterSnapshot
from coordinator.cluster.takedown_push import ClusterOrders
from coordinator.corpus import Corpus
from coordinator.errors import ConfigurationError
from coordinator.options import RequestLimits
from coordinator.pipeline import Pipeline
from coordinator.redaction.display import Display
from coordinator.takedown_list import TakedownList
from coordinator.values import ShardId

# One entry a corpus: name, stage, index id, what is taken down and how often damage was noticed. All that an answer can
# depend on besides the request.
GenerationKey = tuple[tuple[str, str, str, str], ...]

_log = logging.getLogger(__name__)


class Generation:
    """What one `ClusterSnapshot` says, connected. Made in an event loop; end it with `close`.

    Attributes:
        snapshot: What the files said.
        orders: What is taken down.
        pipeline: Answers requests.
        replica_sets: The shards, in the order of the corpora and their numbers.
    """

    def __init__(
        self,
        snapshot: ClusterSnapshot,
        pool: LinkPool,
        settings: ClusterSettings,
        limits: RequestLimits,
        observer: ClusterObserver,
        now: Callable[[], float],
        orders: ClusterOrders | None = None,
        display: Display | None = None,
    ):
        """Begins to connect; see `wait_until_searchable`. Without orders, servers may obey whichever takedowns."""
        self.snapshot = snapshot
        self.orders = orders
        self._pool = pool
        self._observer = observer
        self._links: dict[str, ServerLink] = {}
        self._changed = asyncio.Event()
        self._users = 0
        self._unused = asyncio.Event()
        self._unused.set()
        self._listener: Callable[[], None] = lambda: None
        self._views: str | None = None
        sets = []
        for corpus in snapshot.corpora:
            for number in range(corpus.index.num_shards):
                servers = [
                    (link, ShardClient(corpus, number, link.address, link.channel))
                    for link in map(self._link, snapshot.addresses[ShardId(corpus.name, number)])
                ]
                told = None if orders is None else orders.by_address
                sets.append(ReplicaSet(corpus, number, servers, settings, observer, now, self._on_change, told))
        self.replica_sets = tuple(sets)
        self.pipeline = Pipeline(snapshot.tokenizer, self.replica_sets, snapshot.corpora, limits, display=display)

    @property
    def corpora(self) -> tuple[Corpus, ...]:
        """The corpora, in the order of the cluster file."""
        return self.snapshot.corpora

    @property
    def key(self) -> GenerationKey:
        """What tells the answers of this generation from those of another.

        Answers of before damage was noticed may be wrong, so they are others than those of after.
        """
        orders = "" if self.orders is None else self.orders.key
        if self._views is None:
            views = {(str(one.shard), replica.view_id) for one in self.replica_sets for replica in one.replicas}
            self._views = hashlib.sha256(repr(sorted(views)).encode()).hexdigest()
        taken_down = f"{orders} {self._views} {self.num_damages}"
        return tuple((corpus.name, corpus.stage, corpus.index.index_id, taken_down) for corpus in self.corpora)

    @property
    def num_damages(self) -> int:
        """How often damage of a file was noticed, by a server or by what it answered."""
        of_servers = sum(link.state.damages for link in self._links.values())
        return of_servers + sum(one.damages for one in self.replica_sets)

    @property
    def withheld_documents(self) -> int:
        """How many documents are left out: of each shard what the replica says that leaves out most."""
        return sum(
            max((replica.held.withheld_documents for replica in one.replicas if replica.held is not None), default=0)
            for one in self.replica_sets
        )

    def takedowns_in_force(self, before: TakedownList | None) -> TakedownsInForce | None:
        """Returns how far its takedowns are obeyed, for the record; None if it has no list. ``before`` was the last."""
        if self.orders is None:
            return None
        obeying = [replica.obeys for one in self.replica_sets for replica in one.replicas]
        return TakedownsInForce(
            self.orders.takedowns, before, len(obeying), sum(obeying), withheld_documents=self.withheld_documents
        )

    def withholds(self, corpora: Collection[str]) -> bool:
        """Returns whether a server leaves out documents of these corpora, of any corpus if none are named."""
        return any(
            replica.held is not None and replica.held.withheld_documents > 0
            for one in self.replica_sets
            if not corpora or one.shard.corpus in corpora
            for replica in one.replicas
        )

    def share_searchable(self) -> float:
        """Returns the share of the tokens whose shard has a replica to ask: 0 to 1."""
        return _share(self.replica_sets, sum(corpus.index.num_tokens for corpus in self.corpora))

    def searchable_by_corpus(self) -> dict[str, float]:
        """Returns the same share for each corpus, by name."""
        return {
            corpus.name: _share(
                [one for one in self.replica_sets if one.shard.corpus == corpus.name], corpus.index.num_tokens
            )
            for corpus in self.corpora
        }

    def lost_shards(self) -> dict[ShardId, str]:
        """Returns the shards without a replica to ask, and why there is none."""
        return {one.shard: one.why_lost() for one in self.replica_sets if not one.is_searchable}

    async def wait_until_searchable(self, timeout_s: float) -> None:
        """Waits until every server was heard of and every shard can be searched, or cannot come to be so by waiting.

        After ``timeout_s`` seconds what is missing is left to come later.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while not self._is_settled():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            lost = ", ".join(map(str, self.lost_shards()))
            _log.warning("shards cannot be searched yet", extra={"shards": lost})

    async def wait_until_obeyed(self, timeout_s: float, *, by_all: bool = False) -> None:
        """Waits until no shard misses because its servers do not obey the takedowns yet, or for ``timeout_s`` seconds.

        Servers that cannot be reached, or have said that they do not obey, are not waited for. With ``by_all`` every
        other server is, also of shards that can be searched.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self._is_coming(by_all):
                    self._changed.clear()
                    await self._changed.wait()

    async def wait_until_left(self, timeout_s: float) -> None:
        """Waits until no request uses it, or for ``timeout_s`` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._unused.wait()

    def check(self) -> None:
        """Checks whether a shard is held in another form by every server of it that answers, and logs each that is.

        Such a shard is lost, as one whose servers are down: the others are answered from, and a server that comes to
        fit is used. So a coordinator can start wherever a running one goes on.

        Raises:
            ConfigurationError: there is one, and no server holds any shard as it should; names the servers and what
                differs.
        """
        mismatches = {}
        for shard in self.replica_sets:
            connected = [one for one in shard.replicas if one.link.state.kind in ("serving", "not_serving")]
            if connected and all(one.mismatch is not None for one in connected):
                mismatches[shard.shard] = "; ".join(replica.reason() for replica in connected)
        if mismatches and all(one.held is None for shard in self.replica_sets for one in shard.replicas):
            shard_id, reasons = next(iter(mismatches.items()))
            raise ConfigurationError(
                f"no server of shard {shard_id} holds what the coordinator's index says: {reasons}; point both at one "
                "index"
            )
        for shard_id, reasons in mismatches.items():
            _log.error("no server holds this shard as the index says", extra={"shard": str(shard_id), "found": reasons})

    def begin(self, previous: "Generation | None" = None) -> None:
        """Tells the observer of every replica from now on, and of those of ``previous`` that are gone."""
        if previous is not None:
            ours = {(one.shard, replica.address) for one in self.replica_sets for replica in one.replicas}
            for shard in previous.replica_sets:
                shard.fall_silent()
                for replica in shard.replicas:
                    if (shard.shard, replica.address) not in ours:
                        self._observer.replica_removed(shard.shard, replica.address)
        self._observer.generation_changed({corpus.name: corpus.index.index_id for corpus in self.corpora})
        if self.orders is not None:
            self._observer.takedowns_changed(self.orders.takedowns.epoch)
        for shard in self.replica_sets:
            shard.speak()

    def listen(self, listener: Callable[[], None]) -> None:
        """Calls ``listener`` after each change of a replica."""
        self._listener = listener

    def enter(self) -> None:
        """Takes note of a request that begins."""
        self._users += 1
        self._unused.clear()

    def leave(self) -> None:
        """Takes note of a request that has ended."""
        self._users -= 1
        if not self._users:
            self._unused.set()

    async def wait_until_unused(self, timeout_s: float) -> None:
        """Returns when no request uses it, or after ``timeout_s`` seconds."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._unused.wait()
        except TimeoutError:
            _log.warning("requests of a replaced generation are cut off", extra={"requests": self._users})

    async def close(self) -> None:
        """Gives the links back. Calls over those that nobody else uses fail."""
        for shard in self.replica_sets:
            shard.close()
        for link in self._links.values():
            await self._pool.release(link)
        self._links.clear()

    def _link(self, address: str) -> ServerLink:
        if address not in self._links:
            link = self._links[address] = self._pool.acquire(address)
            if self.orders is not None:
                link.order(self.orders.by_address[address])
        return self._links[address]

    def _on_change(self) -> None:
        self._views = None
        self._changed.set()
        self._listener()

    def _is_coming(self, by_all: bool) -> bool:
        if by_all:
            return any(replica.is_coming for shard in self.replica_sets for replica in shard.replicas)
        return any(shard.is_coming for shard in self.replica_sets)

    def _is_settled(self) -> bool:
        if any(link.state.kind == "connecting" for link in self._links.values()):
            return False
        return all(
            shard.is_searchable or all(replica.mismatch is not None for replica in shard.replicas)
            for shard in self.replica_sets
        )


def _share(shards: Sequence[ReplicaSet], num_tokens: int) -> float:
    """Returns the share of ``num_tokens`` that those of ``shards`` hold which can be searched."""
    if not num_tokens:
        return float(all(shard.is_searchable for shard in shards))
    return min(1.0, sum(shard.num_tokens for shard in shards if shard.is_searchable) / num_tokens)
