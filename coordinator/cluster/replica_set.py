"""One shard over its replicas: who is asked next, and what is made of how it went. Implements `ShardPort`."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from coordinator.cluster.hedging import CallBudget, HedgeDelay, HedgeRules
from coordinator.cluster.observer import ClusterObserver, ReplicaState, Rpc
from coordinator.cluster.outlier import EjectionRules
from coordinator.cluster.replica import Client, Link, Replica
from coordinator.cluster.settings import ClusterSettings
from coordinator.cluster.shard_call import MOST_REASONS, ShardCall
from coordinator.cluster.shard_client import AnotherViewError, split_windows
from coordinator.cluster.shard_document import ShardDocument
from coordinator.cluster.takedown_push import Orders
from coordinator.corpus import Corpus
from coordinator.errors import ShardUnavailableError
from coordinator.read_counts import NO_READS
from coordinator.results import DocumentText
from coordinator.takedown_search import DocumentQuery, FoundDocuments
from coordinator.values import Query, ShardDescription, ShardId, ShardMatches, ShardWindows, WindowQuery

_T = TypeVar("_T")

# What a server cannot recover from by itself.
_EJECTS_AT_ONCE = "DATA_LOSS"
_ANOTHER_INDEX = "FAILED_PRECONDITION"
# A full server is not a broken one: to leave it out would only fill the others.
_FULL = "RESOURCE_EXHAUSTED"

# What only a person waits for is sent once.
_NEVER_S = 1e9
# A timer may fire a moment before its time.
_TIMER_S = 0.001

_log = logging.getLogger(__name__)


class ReplicaSet:
    """The replicas of one shard in one generation.

    Attributes:
        shard: The shard.
        replicas: In the order of the cluster file.
        observer: Who is told.
        hedges: What may be sent to a second replica because the first is slow.
        retries: What may be sent to another replica because one failed.
        lost_at: When the last replica that could be asked was lost.
        grace_s: How long after that calls wait for one.
        has_orders: Whether it is said which documents are taken down.
        damages: How often a call came upon damage.
    """

    def __init__(
        self,
        corpus: Corpus,
        number: int,
        servers: Sequence[tuple[Link, Client]],
        settings: ClusterSettings,
        observer: ClusterObserver,
        now: Callable[[], float],
        on_change: Callable[[], None] = lambda: None,
        orders: Mapping[str, Orders] | None = None,
    ):
        """Takes a link and a client for each replica, and the takedowns that each has to obey, by address.

        Without orders each may obey whichever it likes. ``on_change`` is called after a replica has changed.
        """
        rules = EjectionRules(
            settings.ejection_failures, settings.ejection_base_ms / 1000, settings.ejection_most_ms / 1000
        )
        hedge_rules = HedgeRules(settings.hedge_start_ms / 1000, settings.hedge_floor_ms / 1000)
        self.shard = ShardId(corpus.name, number)
        self.replicas = tuple(
            Replica(corpus, number, link, client, rules, orders[link.address] if orders is not None else None)
            for link, client in servers
        )
        self.has_orders = orders is not None
        self.damages = 0
        self.observer = observer
        self.now = now
        self.hedges = CallBudget(settings.hedge_percent / 100, settings.hedge_burst)
        self.retries = CallBudget(settings.retry_percent / 100, settings.retry_burst)
        self.lost_at = float("-inf")
        self.grace_s = settings.reconnect_grace_ms / 1000
        self._delays: dict[Rpc, HedgeDelay] = {
            rpc: HedgeDelay(hedge_rules) for rpc in ("LongestMatches", "GetWindows", "GetDocument")
        }
        self._on_change = on_change
        self._turn = 0
        self._waiting: set[asyncio.Future[None]] = set()
        self._told: dict[Replica, ReplicaState] | None = None
        self._find_outdated()
        self._had_one = self._has_connected()
        for link, _ in servers:
            link.subscribe(self._update)

    def close(self) -> None:
        """Follows the links no longer."""
        self.fall_silent()
        for replica in self.replicas:
            replica.link.unsubscribe(self._update)

    # What the pipeline asks.

    async def describe(self, deadline_s: float) -> ShardDescription:
        """Returns what a replica last said; asks nobody. See `ShardPort.describe`."""
        del deadline_s
        held = next((replica.held for replica in self.replicas if replica.is_connected), None)
        if held is None:
            raise ShardUnavailableError(self.why_lost())
        now = self.now()
        usable = sum(replica.is_usable(now) for replica in self.replicas)
        return held.described(self.shard.corpus, len(self.replicas), usable)

    async def longest_matches(self, query: Query, deadline_s: float) -> ShardMatches:
        """See `ShardPort.longest_matches`."""
        return await self._call(
            "LongestMatches", lambda one, left_s: one.longest_matches(query, left_s), deadline_s, self._check_view
        )

    async def get_windows(self, windows: WindowQuery, deadline_s: float) -> ShardWindows:
        """See `ShardPort.get_windows`. Large requests are cut into parts, each a call of its own."""
        parts = tuple(split_windows(windows))
        if len(parts) == 1:
            return await self._get_windows(windows, deadline_s)
        calls = [asyncio.ensure_future(self._get_windows(part, deadline_s)) for part in parts]
        try:
            answers = await asyncio.gather(*calls)
        finally:
            for call in calls:
                call.cancel()
        return ShardWindows(
            windows=tuple(window for answer in answers for window in answer.windows),
            reads=sum((answer.reads for answer in answers), NO_READS),
        )

    async def get_document(self, number: int, start: int, max_tokens: int, deadline_s: float) -> DocumentText:
        """See `ShardPort.get_document`."""
        found = await self._call(
            "GetDocument",
            lambda one, left_s: one.get_document(number, start, max_tokens, left_s),
            deadline_s,
            self._check_view,
        )
        return found.document

    async def _get_windows(self, windows: WindowQuery, deadline_s: float) -> ShardWindows:
        return await self._call("GetWindows", lambda one, left_s: one.get_windows(windows, left_s), deadline_s)

    async def find_documents(self, query: DocumentQuery, deadline_s: float) -> FoundDocuments:
        """Returns the documents that a takedown concerns, or near copies of one.

        Raises:
            ShardUnavailableError: the shard does not answer before the deadline.
        """
        return await self._call("FindDocuments", lambda one, left_s: one.find_documents(query, left_s), deadline_s)

    async def _call(
        self,
        rpc: Rpc,
        send: Callable[[Client, float], Awaitable[_T]],
        deadline_s: float,
        check: Callable[[Replica, _T], None] = lambda _replica, _answer: None,
    ) -> _T:
        self.hedges.earn()
        self.retries.earn()
        return await ShardCall(self, rpc, send, deadline_s, check).run()

    def _check_view(self, replica: Replica, found: ShardMatches | ShardDocument) -> None:
        """Checks that an answer is of this generation: its server may go over to other takedowns at any moment."""
        if found.view_id == replica.view_id:
            return
        if self.has_orders:
            raise AnotherViewError(f"found view_id {found.view_id!r}, expected {replica.view_id!r}")
        replica.link.look_again()  # any view will do, but what was kept of the one before will not

    # What a call asks.

    def pick(
        self, tried: Mapping[Replica, int], *, usable_only: bool = False, any_view: bool = False
    ) -> Replica | None:
        """Returns the replica to ask next: of the usable ones whose server has the fewest calls in flight; in turn.

        If no usable one is left, one that is connected all the same: ejected, draining or back on trial.

        Args:
            tried: Replicas that are not to be asked again over the connection of this number.
            usable_only: Returns None in that last case.
            any_view: Takes one last that has gone over to other takedowns: it may know the view before for a while.
        """
        now = self.now()
        self._turn += 1
        best: tuple[bool, bool, int, int] | None = None
        chosen = None
        num_replicas = len(self.replicas)
        for place, replica in enumerate(self.replicas):
            can_be_asked = replica.holds_shard if any_view else replica.is_connected
            if not can_be_asked or tried.get(replica) == replica.connection:
                continue
            is_usable = replica.is_usable(now)
            is_tried_out = is_usable and bool(replica.attempts) and replica.outlier.is_on_probation(now)
            if usable_only and (not is_usable or is_tried_out):
                continue
            rank = (not is_usable, is_tried_out, replica.link.calls_in_flight, (place + self._turn) % num_replicas)
            if best is None or rank < best:
                best, chosen = rank, replica
        return chosen

    def num_untried(self, tried: Mapping[Replica, int]) -> int:
        """Returns how many replicas could be asked besides."""
        return sum(one.is_connected and tried.get(one) != one.connection for one in self.replicas)

    @property
    def is_ahead(self) -> bool:
        """Whether a server has gone over to later takedowns than those of this generation."""
        return any(replica.is_ahead for replica in self.replicas)

    @property
    def is_coming(self) -> bool:
        """Whether it cannot be searched, and a server of it may obey in a moment."""
        return not self.is_searchable and any(replica.is_coming for replica in self.replicas)

    def hedge_delay(self, rpc: Rpc) -> float:
        """Returns how long a call is waited for alone, in seconds."""
        return self._delays[rpc].seconds if rpc in self._delays else _NEVER_S

    def succeeded(self, replica: Replica, rpc: Rpc, seconds: float) -> None:
        """Takes note of a good answer."""
        if rpc in self._delays:
            self._delays[rpc].add(seconds)
        replica.outlier.succeeded()

    def failed(self, replica: Replica, connection: int, status: str) -> None:
        """Takes note of a fault of a replica (a gRPC status, or SLOW), and ejects it if that is one too many.

        Calls that wait for it move on.
        """
        self.damages += status == _EJECTS_AT_ONCE
        if replica.connection != connection:
            return  # of an earlier connection, maybe of an earlier process
        if status == _FULL:
            return
        if status == _ANOTHER_INDEX:
            replica.refuse_description()
            self._update()
            return
        now = self.now()
        others = any(one.is_usable(now) for one in self.replicas if one is not replica)
        seconds = replica.outlier.failed(now, may_eject=others, at_once=status == _EJECTS_AT_ONCE)
        if seconds is None:
            return
        _log.warning(
            "replica ejected",
            extra={
                "shard": str(self.shard),
                "address": replica.address,
                "reason": status,
                "seconds": seconds,
            },
        )
        if self._told is not None:  # of a generation that is replaced, the observer has taken its leave
            self.observer.replica_ejected(self.shard, replica.address, status, seconds)
        asyncio.get_running_loop().call_later(seconds + _TIMER_S, self._tell)
        self._tell()
        for attempt in list(replica.attempts):
            attempt.call.move_on(attempt)

    async def wait_for_change(self, timeout_s: float) -> None:
        """Returns when a replica has changed, or after ``timeout_s`` seconds."""
        change: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(change)
        try:
            await asyncio.wait((change,), timeout=timeout_s)
        finally:
            self._waiting.discard(change)

    # What the generation asks.

    @property
    def is_searchable(self) -> bool:
        """Whether some replica is connected, holds the shard and is willing."""
        return any(replica.is_searchable for replica in self.replicas)

    @property
    def num_tokens(self) -> int:
        """Positions in the shard, as far as a replica that is connected has said."""
        held = (replica.held for replica in self.replicas)
        return next((shard.num_tokens for shard in held if shard is not None), 0)

    def why_lost(self) -> str:
        """Returns why no replica can be asked."""
        reasons = [replica.reason() for replica in self.replicas]
        more = f"; and {len(reasons) - MOST_REASONS} more" if len(reasons) > MOST_REASONS else ""
        return f"no replica of {self.shard} answers: {'; '.join(reasons[:MOST_REASONS])}{more}"

    def speak(self) -> None:
        """Tells the observer the state of each replica, now and whenever it changes."""
        self._told = {}
        self._tell()

    def fall_silent(self) -> None:
        """Ends that."""
        self._told = None

    def _update(self) -> None:
        for replica in self.replicas:
            replica.update()
        self._find_outdated()
        has_one = self._has_connected()
        if self._had_one and not has_one:
            self.lost_at = self.now()
        self._had_one = has_one
        self._tell()
        for change in self._waiting:
            if not change.done():
                change.set_result(None)
        self._on_change()

    def _find_outdated(self) -> None:
        """Has only those asked that leave out what the latest generation of the index does: none mixes two contents."""
        obeying = {replica: held for replica in self.replicas if replica.obeys and (held := replica.held) is not None}
        latest = max(obeying.values(), key=lambda held: held.index_generation, default=None)
        for replica in self.replicas:
            held = obeying.get(replica)
            replica.is_outdated = (
                held is not None
                and latest is not None
                and held.index_generation < latest.index_generation
                and held.view_id != latest.view_id
            )

    def _has_connected(self) -> bool:
        return any(replica.is_connected for replica in self.replicas)

    def _tell(self) -> None:
        if self._told is None:
            return
        now = self.now()
        for replica in self.replicas:
            state = replica.state(now)
            if self._told.get(replica) == state:
                continue
            is_first = replica not in self._told
            self._told[replica] = state
            if replica.is_connected and replica.held is not None:
                self.observer.withheld_changed(self.shard, replica.held.withheld_documents)
            self.observer.replica_changed(self.shard, replica.address, state)
            if state == "usable":
                _log.info("replica usable", extra={"shard": str(self.shard), "address": replica.address})
            elif (
                state == "behind"
            ):  # for a moment at each change of the list; a server that stays so is told by its link
                _log.info("replica behind", extra={"shard": str(self.shard), "address": replica.address})
            elif state != "ejected" and not (is_first and replica.link.state.kind == "connecting"):
                _log.warning(
                    "replica not usable",
                    extra={"shard": str(self.shard), "state": state, "reason": replica.reason()},
                )
