"""What the admin calls do: they change the takedown file, and wait until what it says is in effect."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from coordinator.api.json_codec import parse_document_id
from coordinator.cluster.generation import Generation
from coordinator.cluster.replica_set import ReplicaSet
from coordinator.cluster.serving import Serving
from coordinator.corpus import check_generation
from coordinator.errors import DocumentNotFoundError, InvalidRequestError
from coordinator.takedown_list import KeptTakedown, with_added
from coordinator.takedown_preview import preview
from coordinator.takedown_search import DocumentQuery
from coordinator.takedowns import (
    MAX_DOCUMENTS,
    MAX_TAKEDOWNS,
    ReplicaTakedowns,
    Takedown,
    TakedownPreview,
    TakedownsAdded,
    TakedownsLifted,
    TakedownsListed,
    TakedownState,
    shown,
    to_keep,
)
from coordinator.values import DocumentId, ShardId
from index_format import takedowns as kept

LeftS = Callable[[], float]
"""Returns the time that is left to answer in, in seconds."""

_MOST_AT_ONCE = 32
# Kept back of the time to answer in, so that the answer can say how far the servers are.
_ANSWER_S = 0.2
_MAX_UNSERVED = 1_000


class TakedownAdmin:
    """Administers the takedowns of what one `Serving` serves."""

    def __init__(self, serving: Serving):
        self._serving = serving

    async def add(self, takedowns: Sequence[Takedown], left_s: LeftS) -> TakedownsAdded:
        """Adds takedowns. What they concern is in no answer after this returns.

        To ask again for what is in force already changes nothing, so a request may come twice.

        Raises:
            InvalidRequestError: one is not what it must be, or has the id of one in force that concerns something else.
                Nothing has changed then.
            DocumentNotFoundError: there is no such document. Nothing has changed then.
            GenerationGoneError: the id of one is of another index than is served. Nothing has changed then.
            ShardUnavailableError: the shard of a document does not answer. Nothing has changed then.
            ConfigurationError: there is no takedown file, it cannot be written, or it lacks what is in force.
        """
        file = self._serving.takedowns.file
        if not 1 <= len(takedowns) <= MAX_TAKEDOWNS:
            raise InvalidRequestError(f"{len(takedowns)} takedowns, expected 1 to {MAX_TAKEDOWNS}", "takedowns")
        now_s = int(time.time())
        dated = [replace(one, added_s=now_s) for one in takedowns]
        async with self._serving.current() as generation:
            added = tuple(dict.fromkeys(await self._to_keep(generation, dated, left_s)))
            latest = self._latest(generation)
            withheld_before = generation.withheld_documents
        if len({one.id for one in added}) < len(added):
            raise InvalidRequestError("two of the takedowns have the same id; give each its own", "takedowns")
        after = await asyncio.to_thread(
            file.change, lambda before: with_added(before, added), latest=latest, may_be_first=True
        )
        kept_as = {one.id: one for one in after.takedowns}
        state = await self._take_effect(after.epoch, left_s)
        async with self._serving.current() as generation:
            newly_withheld = max(0, generation.withheld_documents - withheld_before)
        return TakedownsAdded(tuple(shown(kept_as[one.id]) for one in added), state, newly_withheld)

    async def lift(self, ids: Sequence[str], left_s: LeftS) -> TakedownsLifted:
        """Ends takedowns.

        Raises:
            InvalidRequestError: one is not in force. Nothing has changed then.
            ConfigurationError: there is no takedown file, or it cannot be written.
        """
        file = self._serving.takedowns.file
        if not 1 <= len(ids) <= MAX_TAKEDOWNS:
            raise InvalidRequestError(f"{len(ids)} ids, expected 1 to {MAX_TAKEDOWNS}", "ids")
        async with self._serving.current() as generation:
            latest = self._latest(generation)
        after = await asyncio.to_thread(
            file.change, lambda before: without(before, ids), latest=latest, may_be_first=True
        )
        return TakedownsLifted(await self._take_effect(after.epoch, left_s))

    async def list(self) -> TakedownsListed:
        """Returns the takedowns in force.

        Raises:
            ConfigurationError: there is no takedown file.
        """
        takedowns = self._serving.takedowns.takedowns
        async with self._serving.current() as generation:
            return TakedownsListed(tuple(map(shown, takedowns.takedowns)), _state(generation, takedowns.epoch))

    async def preview(
        self, takedown: Takedown, max_documents: int, min_copied_share: float, left_s: LeftS
    ) -> TakedownPreview:
        """Returns the documents that a takedown would concern, and near copies of them.

        Raises:
            InvalidRequestError: it is not what it must be, or a limit is out of range.
            DocumentNotFoundError: there is no such document.
            NoShardAnsweredError: no shard answered.
        """
        if not 1 <= max_documents <= MAX_DOCUMENTS:
            raise InvalidRequestError(
                f"max_documents is {max_documents}, expected 1 to {MAX_DOCUMENTS}", "max_documents"
            )
        if not 0 <= min_copied_share <= 1:
            raise InvalidRequestError(f"min_copied_share is {min_copied_share}, expected 0 to 1", "min_copied_share")
        async with self._serving.current() as generation:
            (wanted,) = await self._to_keep(generation, [replace(takedown, id="preview", reason="")], left_s)
            concerned = [corpus for corpus in generation.corpora if not wanted.corpora or corpus.name in wanted.corpora]
            names = {corpus.name for corpus in concerned}
            shards = [shard for shard in generation.replica_sets if shard.shard.corpus in names]
            return await preview(
                kept.Takedown(wanted.id, wanted.target), concerned, shards, max_documents, min_copied_share, left_s
            )

    async def _to_keep(
        self, generation: Generation, takedowns: Sequence[Takedown], left_s: LeftS
    ) -> tuple[KeptTakedown, ...]:
        """Returns takedowns as they are kept: documents with their content."""
        served = [corpus.name for corpus in generation.corpora]
        for takedown in takedowns:
            if unknown := sorted(set(takedown.corpora) - set(served)):
                raise InvalidRequestError(
                    f"takedown {takedown.id!r:.80} is of corpus {unknown[0]!r:.80}, expected some of "
                    f"{', '.join(served)}",
                    "corpora",
                )
        turns = asyncio.Semaphore(_MOST_AT_ONCE)

        async def one(takedown: Takedown) -> KeptTakedown:
            if takedown.kind != "document":
                return to_keep(takedown)
            async with turns:
                id_ = parse_document_id(takedown.document)
                return to_keep(takedown, await _document(generation, id_, takedown.index_id, left_s))

        tasks = [asyncio.ensure_future(one(takedown)) for takedown in takedowns]
        try:
            return tuple(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()

    def _latest(self, generation: Generation) -> int:
        """Returns the largest number of a list that is in force here or obeyed by a server: no right file is older."""
        return max(self._serving.takedowns.takedowns.epoch, _largest_epoch(generation))

    async def _take_effect(self, epoch: int, left_s: LeftS) -> TakedownState:
        """Has the changed file take effect, with list number ``epoch``; returns how far that one or a later one has."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, left_s() - _ANSWER_S)):
                generation = await self._serving.follow_takedowns()
                # Requests that began before may end with what was taken down; after this call, none does.
                await self._serving.wait_for_earlier_requests(left_s)
                await generation.wait_until_obeyed(left_s(), by_all=True)
        async with self._serving.current() as generation:
            # The file may not have been read again in the time, or not be obeyed: then an older list is in force.
            return _state(generation, max(epoch, self._serving.takedowns.takedowns.epoch))


def without(takedowns: Collection[KeptTakedown], ids: Collection[str]) -> tuple[KeptTakedown, ...]:
    """Returns the takedowns that are left when those with these ids end.

    Raises:
        InvalidRequestError: there is none of one of the ids.
    """
    if missing := sorted(set(ids) - {one.id for one in takedowns}):
        # Nor is what the same call has lifted before, if a proxy sends it again.
        raise InvalidRequestError(
            f"takedown {missing[0]!r:.80} is not in force (any more): it was lifted before, or never added; "
            "this call changed nothing",
            "ids",
        )
    return tuple(one for one in takedowns if one.id not in ids)


async def _document(
    generation: Generation, id_: DocumentId, wanted_index_id: str, left_s: LeftS
) -> kept.DocumentTarget:
    """Returns a document with its content, by which it is known in later generations.

    Raises:
        DocumentNotFoundError: there is none of the id.
        GenerationGoneError: the id is of another index than is served.
    """
    shard = next((one for one in generation.replica_sets if one.shard == ShardId(id_.corpus, id_.shard)), None)
    if shard is None:
        raise DocumentNotFoundError(f"document {id_}: no such shard is served")
    index_id = next(corpus.index.index_id for corpus in generation.corpora if corpus.name == id_.corpus)
    check_generation(id_, wanted_index_id, index_id)
    target = kept.DocumentTarget(index_id, id_.shard, id_.number)
    found = await shard.find_documents(DocumentQuery(kept.Takedown("document", target), 1), left_s())
    content = next((one.content for one in found.documents if one.number == id_.number), None)
    if content is None:
        raise DocumentNotFoundError(f"document {id_}: the shard has none with this number")
    return replace(target, content=content)


def _largest_epoch(generation: Generation) -> int:
    """Returns the largest number of a list that a server obeys."""
    replicas = (replica for shard in generation.replica_sets for replica in shard.replicas)
    return max((replica.held.takedown_epoch for replica in replicas if replica.held is not None), default=0)


def _state(generation: Generation, epoch: int) -> TakedownState:
    def of(shard: ReplicaSet) -> tuple[ReplicaTakedowns, ...]:
        found = []
        for replica in shard.replicas:
            held = replica.held
            obeyed = held.takedown_epoch if held is not None else 0
            problem = replica.takedown_problem()
            if not problem and obeyed < epoch:
                problem = f"it does not obey takedowns number {epoch} yet"
            withheld = held.withheld_documents if held is not None else 0
            found.append(ReplicaTakedowns(str(shard.shard), replica.address, obeyed, withheld, problem))
        return tuple(found)

    unserved = generation.orders.unserved[:_MAX_UNSERVED] if generation.orders is not None else ()
    return TakedownState(
        epoch, tuple(one for shard in generation.replica_sets for one in of(shard)), tuple(one.id for one in unserved)
    )
