"""The shards as they are searched: each without the documents that are taken down or removed from the index.

A view never changes. A new list of takedowns makes new views, which take the place of all the old ones in one step.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

import suffix_engine
from index_format.removed_documents import DocumentNumbers
from index_format.takedowns import ANOTHER_VIEW, view_id
from shard_server.errors import ViewGoneError, WrongShardError

KEPT_S = 10.0
"""How long the view before the present one is kept for `GetWindows`, whose ranks are those of an earlier answer."""


@dataclass(frozen=True, slots=True)
class ShardView:
    """A shard without some documents, ascending numbers. ``view_id`` names them, ``engine`` knows nothing of them."""

    engine: suffix_engine.ShardIndex
    view_id: str = ""
    documents: DocumentNumbers = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))

    @property
    def num_withheld(self) -> int:
        """How many documents it is without."""
        return len(self.documents)


@dataclass(frozen=True, slots=True)
class _Moment:
    """The views of all shards at one moment, and the number of the list of takedowns that they obey."""

    views: Mapping[int, ShardView]
    epoch: int = 0


class ShardViews:
    """The present view of each shard, and for some seconds the one before. Safe to use from many threads."""

    def __init__(
        self,
        engines: Mapping[int, suffix_engine.ShardIndex],
        removed: Mapping[int, DocumentNumbers] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        """Makes the views of ``engines``, by number, without the documents that the index itself says are removed.

        Raises:
            EngineError: the files of a shard contradict one another.
        """
        self._removed = removed or {}
        self._clock = clock
        plain = {number: ShardView(engine) for number, engine in engines.items()}
        self._present = _Moment({number: self._without(view, self._of_index(number)) for number, view in plain.items()})
        # With the time until which each is kept.
        self._before: dict[int, tuple[ShardView, float]] = {}
        self._swapping = threading.Lock()

    def view(self, number: int) -> ShardView:
        """Returns the present view of a shard.

        Raises:
            WrongShardError: the shard is not served here.
        """
        moment = self._present
        try:
            return moment.views[number]
        except KeyError:
            served = ", ".join(map(str, moment.views))
            raise WrongShardError(f"shard {number} is not served here, only {served}") from None

    def view_named(self, number: int, view_id: str) -> ShardView:
        """Returns the view of a shard that ``view_id`` names: the present one, or for some seconds the one before.

        Raises:
            WrongShardError: the shard is not served here.
            ViewGoneError: it is neither.
        """
        present = self.view(number)
        if view_id == present.view_id:
            return present
        before, kept_until = self._before.get(number, (present, 0.0))
        if view_id == before.view_id and self._clock() < kept_until:
            return before
        raise ViewGoneError(
            f"{ANOTHER_VIEW} {view_id!r} of shard {number} is not served here, "
            f"only {present.view_id!r}: documents were taken down or let back in meanwhile; search again"
        )

    def described(self) -> tuple[int, Mapping[int, ShardView]]:
        """Returns the present views by number, and the number of the list that they obey, of one moment."""
        moment = self._present
        return moment.epoch, moment.views

    def replace(
        self,
        taken_down: Mapping[int, DocumentNumbers],
        epoch: int,
        publish: Callable[[], None],
        num_threads: int = 1,
        known: Mapping[int, ShardView] | None = None,
    ) -> None:
        """Puts views without ``taken_down``, by shard, in the place of the present ones; those of shards left out stay.

        Args:
            taken_down: The documents.
            epoch: Number of the list that says so.
            publish: Called once the views are made, just before they take effect; if it raises, nothing changes.
            num_threads: Threads to make them on, besides those that search; 0: those that search.
            known: At the start of a server, views to make them of instead of the present ones: what these are without
                need not be found. As no call was answered from the present ones, they are not kept.

        Raises:
            EngineError: as `ShardIndex.without`.
        """
        with self._swapping:
            present = self._present
            bases = {**present.views, **(known or {})}
            views = {
                number: self._without(
                    bases[number], np.union1d(self._of_index(number), taken_down[number]), num_threads
                )
                if number in taken_down
                else view
                for number, view in present.views.items()
            }
            publish()
            kept_until = self._clock() + KEPT_S
            if known is None:
                self._before |= {n: (old, kept_until) for n, old in present.views.items() if old is not views[n]}
            self._present = _Moment(views, epoch)

    def _of_index(self, number: int) -> DocumentNumbers:
        return self._removed.get(number, np.zeros(0, dtype=np.uint64))

    @staticmethod
    def _without(view: ShardView, documents: DocumentNumbers, num_threads: int = 0) -> ShardView:
        name = view_id(documents)
        if name == view.view_id:
            return view
        engine = view.engine.without(documents.astype("<u8").tobytes(), num_threads=num_threads)
        return ShardView(engine, name, documents)
