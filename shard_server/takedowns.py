"""Obeys a list of takedowns: finds the documents, has views made without them, keeps the list for the next start."""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from index_format.errors import IndexFormatError
from index_format.layout import shard_folder
from index_format.manifest import IndexManifest, ShardManifest
from index_format.removed_documents import DocumentNumbers
from index_format.takedown_resolution import TakedownFinder
from index_format.takedowns import ContentTarget, view_id
from shard_server.errors import StaleTakedownsError, StoppingError, TakedownsFailedError
from shard_server.takedown_store import KeptTakedowns, TakedownStore
from shard_server.view_store import KeptView, ViewStore
from shard_server.views import ShardView, ShardViews
from suffix_engine import EngineError

# Threads that find suffixes while others search: half of the machine.
_THREADS_BESIDE_SEARCHES = max(1, (os.cpu_count() or 1) // 2)

_log = logging.getLogger(__name__)


class Takedowns:
    """The takedowns that the shards of one process obey."""

    def __init__(
        self,
        directory: Path,
        index: IndexManifest,
        shards: Mapping[int, ShardManifest],
        views: ShardViews,
        store: TakedownStore | None = None,
        view_store: ViewStore | None = None,
    ):
        """Obeys nothing yet.

        Without ``store`` a list is forgotten when the process ends, without ``view_store`` what is known of its views.
        """
        self._index_id = index.index_id
        self._views = views
        self._store = store
        self._view_store = view_store
        self._kept: KeptTakedowns | None = None
        self._changing = threading.Lock()
        self._is_stopping = False
        self._new_finders = {
            number: partial(TakedownFinder, directory / shard_folder(number), index.index_id, shard, self._pause)
            for number, shard in shards.items()
        }
        self._finders = {number: new() for number, new in self._new_finders.items()}
        # What the files of the views say already.
        self._kept_contents: dict[int, frozenset[ContentTarget]] = dict.fromkeys(shards, frozenset())

    def restore(self) -> None:
        """Obeys the list that was kept, if any.

        One that came when another index was served is obeyed, and its number counts as before: no older list is taken.
        Which documents it concerns here its sender says by sending it again.

        Raises:
            TakedownStoreError: the list cannot be read.
            TakedownsFailedError: the documents cannot be found.
        """
        kept = self._store.load() if self._store else None
        if kept is None:
            return
        known = {number: view for number in self._finders if (view := self._recall(number)) is not None}
        before = self._obey(kept, lambda: None, num_threads=0, known=known)
        self._kept = kept
        self._keep_changed(before)
        _log.info("takedowns restored", extra={"epoch": kept.epoch, "takedowns": len(kept.takedowns)})

    def set(self, kept: KeptTakedowns) -> None:
        """Obeys a list in place of the one before; when it returns, the list is kept and every view obeys it.

        Raises:
            StaleTakedownsError: a later list is kept.
            TakedownStoreError, TakedownsFailedError, EngineError: nothing changed.
            StoppingError: the server stops; nothing changed.
        """
        with self._changing:
            if self._kept is not None and kept.epoch < self._kept.epoch:
                raise StaleTakedownsError(
                    f"list {kept.epoch} of takedowns is older than list {self._kept.epoch}, which is kept here; "
                    "restore the takedown file, or clear this server's state_dir if it was another cluster's"
                )
            if kept == self._kept:
                return
            began = time.monotonic()
            before = self._obey(kept, lambda: self._save(kept), _THREADS_BESIDE_SEARCHES)
            self._kept = kept
            self._keep_changed(before)
        fields = {"epoch": kept.epoch, "takedowns": len(kept.takedowns), "seconds": round(time.monotonic() - began, 3)}
        _log.info("takedowns in force", extra=fields)

    def finder(self, number: int) -> TakedownFinder:
        """Returns a finder of documents of a shard, for one thread."""
        return self._new_finders[number]()

    def stop(self) -> None:
        """Breaks off what runs: it changes nothing."""
        self._is_stopping = True

    def _save(self, kept: KeptTakedowns) -> None:
        if self._store is not None:
            self._store.save(kept)

    def _obey(
        self,
        kept: KeptTakedowns,
        publish: Callable[[], None],
        num_threads: int,
        known: Mapping[int, ShardView] | None = None,
    ) -> Mapping[int, ShardView]:
        """Puts the list in force, or raises and changes nothing; returns the views before, those that were known."""
        try:
            before = {**self._views.described()[1], **(known or {})}
            self._views.replace(self._documents(kept), kept.epoch, publish, num_threads, known)
        except (OSError, IndexFormatError) as error:
            raise TakedownsFailedError(f"takedowns cannot be applied, nothing changed: {error}") from error
        except EngineError as error:
            _log.error("takedowns cannot be applied", extra={"epoch": kept.epoch, "reason": str(error)})
            raise
        return before

    def _keep_changed(self, before: Mapping[int, ShardView]) -> None:
        """Keeps what the views in force know that is not kept yet. They are in force whether that works or not."""
        views = self._views.described()[1]
        for number, finder in self._finders.items():
            if views[number] is not before[number] or finder.contents.keys() != self._kept_contents[number]:
                try:
                    self._keep(number, views[number], finder.contents)
                except (EngineError, OSError, MemoryError) as error:
                    _log.warning("view not kept", extra={"shard": number, "reason": str(error) or "out of memory"})

    def _recall(self, number: int) -> ShardView | None:
        """Returns the view of a shard that was kept, if it is of its files, and remembers what contents were found."""
        kept = self._view_store.load(number) if self._view_store else None
        if kept is None:
            return None
        self._finders[number].remember(kept.contents)
        self._kept_contents[number] = frozenset(kept.contents)
        if not len(kept.documents):
            return None
        try:
            engine = self._views.view(number).engine.restored_without(kept.documents.tobytes(), kept.engine)
        except EngineError as error:
            _log.warning("kept view not used", extra={"shard": number, "reason": str(error)})
            return None
        return ShardView(engine, view_id(kept.documents), kept.documents)

    def _keep(self, number: int, view: ShardView, contents: Mapping[ContentTarget, DocumentNumbers]) -> None:
        """Keeps a view that is in force, and what was found for it, for the next start."""
        if self._view_store is not None:
            self._view_store.save(number, KeptView(view.documents, view.engine.saved_view(), contents))
            self._kept_contents[number] = frozenset(contents)

    def _documents(self, kept: KeptTakedowns) -> dict[int, DocumentNumbers]:
        """Returns the documents of each shard that the list concerns; both index ids are of this server's corpus."""
        own = {self._index_id, kept.index_id}
        targets = [
            takedown.target for takedown in kept.takedowns if not takedown.index_ids or own & {*takedown.index_ids}
        ]
        return {number: finder.documents(targets) for number, finder in self._finders.items()}

    def _pause(self) -> None:
        """Lets other threads go first: the search through metadata holds the interpreter's lock."""
        if self._is_stopping:
            raise StoppingError("the server stops, nothing changed")
        time.sleep(0)
