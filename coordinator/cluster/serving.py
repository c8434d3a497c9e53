"""The generation that answers, and how another takes its place without a request being lost.

The cluster file and the manifests that it names are looked at again and again. When they say something else, a new
generation is connected beside the old one and takes over in one step, as soon as it can search as much as the old one
can at that moment: as large a share of the tokens, or the same shards. Requests that have begun end on the old one.

Takedowns are part of a generation, too. When their list changes, one that differs in nothing else takes over as soon as
the servers obey, or have had their time; those that do not are left out. A request that meets a server which has gone
over already begins again on the new one, so that no answer is of two lists.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection
from pathlib import Path
from typing import Self, TypeVar

from coordinator.access.takedown_record import TakedownsInForce
from coordinator.cluster.generation import Generation, GenerationKey
from coordinator.cluster.link_pool import LinkPool
from coordinator.cluster.observer import ClusterObserver, NoObserver, ReloadOutcome
from coordinator.cluster.settings import ClusterSettings
from coordinator.cluster.snapshot import ClusterSnapshot, read_cluster
from coordinator.cluster.takedown_push import ClusterOrders
from coordinator.cluster.takedown_watch import TakedownWatch
from coordinator.errors import ConfigurationError, ViewChangedError
from coordinator.options import RequestLimits
from coordinator.pipeline import Pipeline
from coordinator.redaction.display import Display
from coordinator.requests import TraceRequest
from coordinator.results import TraceEvent
from coordinator.takedown_list import NO_TAKEDOWNS, TakedownList
from coordinator.values import ShardId
from index_format.errors import IndexFormatError
from runtime.listener import Readiness

# Changes of replicas that come together are looked at together.
_GATHER_S = 0.02
# Between looks at the takedown file, which cost a `stat`.
_TAKEDOWN_LOOK_S = 0.5
_MORE_TRIES = 2
_T = TypeVar("_T")

_log = logging.getLogger(__name__)


class Serving:
    """Answers from the current generation of a cluster file. One event loop."""

    def __init__(
        self,
        cluster_file: Path,
        settings: ClusterSettings,
        limits: RequestLimits,
        observer: ClusterObserver,
        display: Display | None = None,
        on_takedowns: Callable[[TakedownsInForce], Awaitable[None]] | None = None,
    ):
        """For `open`, which is how it is made."""
        self._cluster_file = cluster_file
        self._settings = settings
        self._limits = limits
        self._observer = observer
        self._display = display
        self._on_takedowns = on_takedowns
        self._pool = LinkPool(settings)
        self._current: Generation | None = None
        self._next: Generation | None = None
        self._changed = asyncio.Event()
        self._turn = asyncio.Lock()  # of `reload`: two at once would each connect a generation, and one be forgotten
        self._reported: tuple[ReloadOutcome, str] | None = None
        self._reloading: asyncio.Task[None] | None = None
        self._takedowns: TakedownWatch | None = None
        self._following: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[Generation] | None = None
        self._retiring: set[asyncio.Task[None]] = set()
        self._replaced: dict[Generation, None] = {}

    @classmethod
    async def open(
        cls,
        cluster_file: Path,
        settings: ClusterSettings,
        *,
        limits: RequestLimits | None = None,
        observer: ClusterObserver | None = None,
        display: Display | None = None,
        on_takedowns: Callable[[TakedownsInForce], Awaitable[None]] | None = None,
    ) -> Self:
        """Returns the generation that the cluster file says, connected as far as servers answer and obey in time.

        A server that does not answer is logged and watched for; until it comes, answers name its shards as failed.
        ``on_takedowns`` is told which takedowns come into force, before a call that changes them returns.

        Raises:
            ConfigurationError: the cluster file is wrong, or all servers that answer hold something else.
            IndexFormatError: a manifest or a tokenizer is missing or not what it should be.
        """
        serving = cls(
            cluster_file, settings, limits or RequestLimits(), observer or NoObserver(), display, on_takedowns
        )
        snapshot = await asyncio.to_thread(read_cluster, cluster_file)
        if settings.takedown_file is not None:
            serving._takedowns = await asyncio.to_thread(TakedownWatch, settings.takedown_file)
        generation = await serving._connect(snapshot)
        try:
            await generation.wait_until_searchable(settings.connect_timeout_ms / 1000)
            generation.check()
            await generation.wait_until_obeyed(settings.takedown_timeout_ms / 1000)
        except BaseException:
            await generation.close()
            raise
        serving._current = generation
        generation.begin()
        if settings.reload_interval_s:
            serving._reloading = asyncio.create_task(serving._reload_forever(), name="reload")
        if serving._takedowns is not None:
            await serving._tell_takedowns(None)
            serving._following = asyncio.create_task(serving._follow_forever(), name="follow takedowns")
        return serving

    @contextlib.asynccontextmanager
    async def current(self) -> AsyncIterator[Generation]:
        """Gives the generation that answers now; it stays connected while the block runs."""
        generation = self._answering
        generation.enter()
        try:
            yield generation
        finally:
            generation.leave()

    @property
    def key(self) -> GenerationKey:
        """What tells the answers of the generation that answers now from those of another."""
        return self._answering.key

    def withholds(self, corpora: Collection[str]) -> bool:
        """Returns whether documents of these corpora are left out, of any corpus if none are named."""
        return self._answering.withholds(corpora)

    async def on(
        self, generation: Generation, work: Callable[[Pipeline], Awaitable[_T]], left_s: Callable[[], float]
    ) -> _T:
        """Returns what ``work`` makes with the pipeline of a generation.

        If other documents are taken down meanwhile, it begins again on the generation that answers then, as long as
        ``left_s`` says that there is time.
        """
        with contextlib.suppress(ViewChangedError):
            return await work(generation.pipeline)
        for tries_left in reversed(range(_MORE_TRIES)):
            await self._wait_for_takedowns(left_s())
            async with self.current() as latest:
                try:
                    return await work(latest.pipeline)
                except ViewChangedError:
                    if not tries_left:
                        raise
        raise AssertionError("the last try returns or raises")

    async def stream_on(
        self, generation: Generation, request: TraceRequest, left_s: Callable[[], float]
    ) -> AsyncGenerator[TraceEvent, None]:
        """Yields the events of a trace. It begins again as in `on`, as long as there was no event."""
        was_told = False
        async with contextlib.AsyncExitStack() as entered:
            for tries_left in reversed(range(_MORE_TRIES + 1)):
                try:
                    async with contextlib.aclosing(generation.pipeline.stream(request, left_s())) as events:
                        async for event in events:
                            was_told = True
                            yield event
                    return
                except ViewChangedError:
                    if was_told or not tries_left:
                        raise
                await self._wait_for_takedowns(left_s())
                generation = await entered.enter_async_context(self.current())

    def share_searchable(self) -> float:
        """Returns the share of the tokens whose shard has a replica to ask. For any thread."""
        return self._answering.share_searchable()

    def searchable_by_corpus(self) -> dict[str, float]:
        """Returns the same share for each corpus. For any thread."""
        return self._answering.searchable_by_corpus()

    def lost_shards(self) -> dict[ShardId, str]:
        """Returns the shards without a replica to ask, and why there is none. For any thread."""
        return self._answering.lost_shards()

    def readiness(self) -> Readiness:
        """Returns whether anything can be searched, and what cannot, with the reasons. For any thread."""
        generation = self._answering
        lost = generation.lost_shards()
        details: dict[str, object] = {
            "share_searchable": round(generation.share_searchable(), 6),
            "index_ids": {corpus.name: corpus.index.index_id for corpus in generation.corpora},
            "lost_shards": {str(shard): reason for shard, reason in lost.items()},
        }
        is_ready = len(lost) < len(generation.replica_sets)
        if not is_ready:
            details["reason"] = "no shard has a replica to ask"
        return Readiness(is_ready, details)

    async def close(self) -> None:
        """Ends reloading and closes every connection; calls that run fail."""
        running = (self._reloading, self._following, self._looking)
        tasks = [*self._retiring, *(task for task in running if task is not None)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for generation in (self._next, self._current):
            if generation is not None:
                await generation.close()
        self._next = None

    async def reload(self) -> None:
        """Looks at the files, and lets another generation take over if they say so and its servers are there.

        Called from time to time; a call of its own does no harm.
        """
        async with self._turn:
            await self._pool.renew()
            await self._reload()

    async def _reload(self) -> None:
        if self._next is not None and not await asyncio.to_thread(self._next.snapshot.is_current):
            await self._drop_next()
        if self._next is None:
            if await asyncio.to_thread(self._answering.snapshot.is_current):
                if self._reported is not None:
                    self._reported = None
                    self._observer.reload_settled()
                return
            await self._prepare_next()
        if self._next is not None:
            self._take_over_if_better(self._next)

    @property
    def _answering(self) -> Generation:
        assert self._current is not None, "open() sets it"
        return self._current

    @property
    def takedowns(self) -> TakedownWatch:
        """The takedowns in force.

        Raises:
            ConfigurationError: there is no takedown file.
        """
        if self._takedowns is None:
            raise ConfigurationError("nothing can be taken down here: the coordinator has no takedown_file; set it")
        return self._takedowns

    async def follow_takedowns(self) -> Generation:
        """Looks at the takedown file and has what it says take effect; returns the generation that answers then.

        It has taken effect when this returns, but for requests that have begun before: they may end on the generation
        before. Stays at it when its caller goes away.
        """
        return await asyncio.shield(asyncio.create_task(self._follow()))

    async def wait_for_earlier_requests(self, left_s: Callable[[], float]) -> None:
        """Waits until all requests have ended that began on a generation before the present one, or for ``left_s``."""
        for generation in list(self._replaced):
            await generation.wait_until_left(left_s())

    async def _follow(self) -> Generation:
        async with self._turn:
            if self._takedowns is not None:
                await self._takedowns.has_changed()
                self._observer.takedown_file_read(self._takedowns.is_in_force)
                orders = self._answering.orders
                # Not only right after a change: what failed or was broken off then is made up for.
                if orders is None or orders.takedowns is not self._takedowns.takedowns:
                    await self._renew()
            return self._answering

    async def _renew(self) -> None:
        old = self._answering
        await self._drop_next()
        successor = await self._connect(old.snapshot)
        try:
            await successor.wait_until_obeyed(self._settings.takedown_timeout_ms / 1000)
        except BaseException:
            await successor.close()
            raise
        self._take_over(successor)
        self._changed.set()  # a change of the cluster file that waited begins again, with these takedowns
        await self._tell_takedowns(NO_TAKEDOWNS if old.orders is None else old.orders.takedowns)

    async def _tell_takedowns(self, before: TakedownList | None) -> None:
        """Tells that the list of the generation that answers has come into force, in the place of ``before``."""
        record = self._answering.takedowns_in_force(before)
        if record is not None and self._on_takedowns is not None:
            await self._on_takedowns(record)

    async def _wait_for_takedowns(self, timeout_s: float) -> None:
        """Waits until a list that servers have gone over to is that of the generation that answers."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._follow(), name="look at the takedown file")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, timeout_s)):
                await asyncio.shield(self._looking)

    async def _follow_forever(self) -> None:
        while True:
            await asyncio.sleep(_TAKEDOWN_LOOK_S)
            try:
                await self._follow()
            except Exception:  # the edge of this task: without it nothing would ever be taken down again
                _log.exception("following takedowns failed")

    async def _connect(self, snapshot: ClusterSnapshot) -> Generation:
        orders = None
        if self._takedowns is not None:
            before = self._current.orders if self._current is not None else None
            found = self._takedowns.takedowns, snapshot.index_ids, snapshot.addresses
            orders = await asyncio.to_thread(ClusterOrders.of, *found, before)
        now = asyncio.get_running_loop().time
        return Generation(
            snapshot, self._pool, self._settings, self._limits, self._observer, now, orders, self._display
        )

    async def _reload_forever(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._settings.reload_interval_s):
                    await self._changed.wait()
                await asyncio.sleep(_GATHER_S)
            except TimeoutError:
                if self._takedowns is None:  # then others say what is taken down, and kept answers are to know it
                    self._pool.look_again()
            self._changed.clear()
            try:
                await self.reload()
            except Exception:  # the edge of this task: without it nothing would ever be reloaded again
                _log.exception("reload failed")

    async def _prepare_next(self) -> None:
        try:
            snapshot = await asyncio.to_thread(read_cluster, self._cluster_file, self._answering.snapshot.tokenizer)
            self._next = await self._connect(snapshot)
        except (ConfigurationError, IndexFormatError) as error:
            self._report("refused", str(error))
            return
        # The new one may have come to search more, the old one less.
        for generation in (self._next, self._answering):
            generation.listen(self._changed.set)

    def _take_over_if_better(self, candidate: Generation) -> None:
        old = self._answering
        share, lost = candidate.share_searchable(), candidate.lost_shards()
        # Of two indexes the same shard may be a little smaller: then what counts is that no other shard is missing.
        is_as_good = share >= old.share_searchable() or lost.keys() <= old.lost_shards().keys()
        if not share or not is_as_good:
            names = ", ".join(map(str, lost))
            self._report("waiting", f"the new generation cannot search as much as the old one, without shards {names}")
            return
        self._next = None
        self._take_over(candidate)
        self._report("applied", "")

    def _take_over(self, candidate: Generation) -> None:
        old, self._current = self._answering, candidate
        self._replaced[old] = None
        for generation in (old, candidate):
            generation.listen(lambda: None)
        candidate.begin(old)
        task = asyncio.create_task(self._retire(old), name="retire a generation")
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _drop_next(self) -> None:
        dropped, self._next = self._next, None
        self._answering.listen(lambda: None)
        if dropped is not None:
            await dropped.close()

    async def _retire(self, generation: Generation) -> None:
        try:
            await generation.wait_until_unused(self._settings.retire_timeout_ms / 1000)
        finally:
            await generation.close()
            self._replaced.pop(generation, None)

    def _report(self, outcome: ReloadOutcome, reason: str) -> None:
        """Logs an outcome once, however often it is met."""
        if self._reported == (outcome, reason):
            return
        self._reported = (outcome, reason)
        self._observer.reload_finished(outcome)
        if outcome == "applied":
            ids = {corpus.name: corpus.index.index_id for corpus in self._answering.corpora}
            _log.info("another generation answers", extra={"index_ids": ids})
        else:
            level = logging.WARNING if outcome == "refused" else logging.INFO
            _log.log(level, "reload not done", extra={"outcome": outcome, "reason": reason})
