"""One server's copy of a shard: whether it can be asked, and how its last calls went."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from coordinator.cluster.held_shard import HeldShard, Mismatch, match
from coordinator.cluster.observer import ReplicaState
from coordinator.cluster.outlier import EjectionRules, Outlier
from coordinator.cluster.server_link import LinkState
from coordinator.cluster.shard_document import ShardDocument
from coordinator.cluster.takedown_push import Orders
from coordinator.corpus import Corpus
from coordinator.takedown_search import DocumentQuery, FoundDocuments
from coordinator.values import Query, ShardMatches, ShardWindows, WindowQuery

if TYPE_CHECKING:
    from coordinator.cluster.shard_call import Attempt


class Link(Protocol):
    """What a replica needs of `ServerLink`."""

    address: str
    state: LinkState
    calls_in_flight: int

    def subscribe(self, listener: Callable[[], None]) -> None:
        """See `ServerLink.subscribe`."""

    def unsubscribe(self, listener: Callable[[], None]) -> None:
        """See `ServerLink.unsubscribe`."""

    def order(self, orders: Orders) -> None:
        """See `ServerLink.order`."""

    def look_again(self) -> None:
        """See `ServerLink.look_again`."""


class Client(Protocol):
    """What a replica needs of `ShardClient`."""

    async def longest_matches(self, query: Query, timeout_s: float) -> ShardMatches:
        """See `ShardClient.longest_matches`."""

    async def get_windows(self, windows: WindowQuery, timeout_s: float) -> ShardWindows:
        """See `ShardClient.get_windows`."""

    async def get_document(self, number: int, start: int, max_tokens: int, timeout_s: float) -> ShardDocument:
        """See `ShardClient.get_document`."""

    async def find_documents(self, query: DocumentQuery, timeout_s: float) -> FoundDocuments:
        """See `ShardClient.find_documents`."""


class Replica:
    """A server as a place of one shard of one generation. What it is follows from its link: see `update`."""

    def __init__(
        self,
        corpus: Corpus,
        number: int,
        link: Link,
        client: Client,
        rules: EjectionRules,
        orders: Orders | None = None,
    ):
        """Without orders its server may obey whichever takedowns it likes."""
        self.link = link
        self.client = client
        self.outlier = Outlier(rules)
        self.attempts: dict[Attempt, None] = {}
        """The tries that wait for it."""
        self.held: HeldShard | None = None
        """The shard as the server describes it; None if it does not hold it, or is not connected."""
        self.mismatch: Mismatch | None = None
        self.connection = -1
        self.obeys = False
        """Whether its server obeys the takedowns of this generation, no fewer and no more."""
        self.view_id = ""
        """The view of the shard without those documents; kept when the server goes over to another one."""
        self.is_outdated = False
        """Whether another replica has opened a later generation of the index, without other documents."""
        self._orders = orders
        self._corpus = corpus
        self._number = number
        self._described = 0
        self._refused = -1  # the description that a call has shown to be out of date
        self.update()

    @property
    def address(self) -> str:
        """Where the server listens."""
        return self.link.address

    def update(self) -> None:
        """Takes over what the link knows."""
        state = self.link.state
        if state.connection != self.connection:
            self.connection = state.connection
            self.outlier.reset()
        self._described = state.description
        is_connected = state.kind in ("serving", "not_serving")
        found = match(state.held, self._corpus, self._number) if is_connected else None
        # Each set once: other threads read them at any moment.
        self.held = found if isinstance(found, HeldShard) else None
        self.mismatch = found if isinstance(found, Mismatch) else None
        orders = self._orders
        self.obeys = self.held is not None and (
            orders is None or (self.held.takedown_epoch == orders.epoch and state.obeys == orders.digest)
        )
        if self.held is not None and self.obeys:
            self.view_id = self.held.view_id

    def refuse_description(self) -> None:
        """Takes note that the server refused a call as one for another index, whatever it has said; it is asked."""
        self._refused = self._described
        self.link.look_again()

    @property
    def holds_shard(self) -> bool:
        """Whether its server answers and holds the shard of this generation, whichever documents are taken down."""
        return self.held is not None and self._refused != self._described

    @property
    def is_connected(self) -> bool:
        """Whether it can be asked at all: its server holds the shard, and obeys the takedowns of this generation."""
        return self.obeys and self.holds_shard and not self.is_outdated

    @property
    def is_ahead(self) -> bool:
        """Whether its server has gone over to later takedowns than those of this generation."""
        held = self.held
        return held is not None and self._orders is not None and held.takedown_epoch > self._orders.epoch

    @property
    def is_coming(self) -> bool:
        """Whether its server has been sent the takedowns and has not answered yet."""
        state = self.link.state
        return (
            state.kind == "serving" and self.holds_shard and not (self.obeys or self.is_ahead or state.takedown_problem)
        )

    @property
    def is_searchable(self) -> bool:
        """Whether it is connected and its server is willing."""
        return self.is_connected and self.link.state.kind == "serving"

    def is_usable(self, now: float) -> bool:
        """Returns whether it takes its share of the calls."""
        return self.is_searchable and not self.outlier.is_ejected(now)

    def state(self, now: float) -> ReplicaState:
        """Returns what it is in one word."""
        if self.link.state.kind in ("connecting", "unreachable"):
            return "unreachable"
        if not self.holds_shard:
            return "mismatched"
        if not self.obeys:
            return "behind"
        if self.is_outdated:
            return "mismatched"
        if self.link.state.kind == "not_serving":
            return "not_serving"
        return "ejected" if self.outlier.is_ejected(now) else "usable"

    def reason(self) -> str:
        """Returns why it is not asked, with its address."""
        mismatch = self.mismatch
        if mismatch is not None:
            return f"{self.address}: {mismatch}"
        if self.held is not None and self._refused == self._described:
            return f"{self.address}: another index is served there"
        if (problem := self.takedown_problem()) and self.held is not None:
            return f"{self.address}: {problem}"
        if self.is_outdated and self.held is not None:
            return (
                f"{self.address}: it has opened generation {self.held.index_generation} of the index, another replica "
                "a later one, without other documents; restart it"
            )
        return f"{self.address}: {self.link.state.reason or 'left out after failures'}"

    def takedown_problem(self) -> str:
        """Returns why its server does not obey the takedowns of this generation; empty if it does."""
        orders, held = self._orders, self.held
        if self.obeys or orders is None:
            return ""
        if held is None:
            return self.link.state.reason or "it does not hold this shard"
        if self.is_ahead:
            wanted = f"found takedowns number {held.takedown_epoch}, expected {orders.epoch}"
            return f"{wanted}; is the takedown file the latest one?"
        return self.link.state.takedown_problem or f"it does not obey takedowns number {orders.epoch} yet"
