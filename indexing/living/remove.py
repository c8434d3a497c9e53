"""Marks documents of an index as removed, or takes marks back."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from index_format.layout import METADATA, shard_folder
from index_format.manifest import IndexManifest, ShardManifest
from index_format.removed_documents import DocumentNumbers, load_removed, removed_file, save_removed
from index_format.takedown_resolution import TakedownFinder
from index_format.takedowns import Target
from indexing.errors import PlanError
from indexing.living.change_lock import change_lock
from indexing.living.selection import Condition, documents_of_ids, documents_where
from indexing.progress import Progress, SilentProgress, Stages

_METADATA_STAGE = "read metadata"


@dataclass(frozen=True, slots=True)
class RemovalReport:
    """What marking documents did: how many were named, how many marks changed, and how many there are now."""

    named: int
    changed: int
    removed_documents: int
    num_documents: int
    generation: int


def remove_documents(
    directory: Path,
    progress: Progress | None = None,
    *,
    ids: Sequence[str] = (),
    conditions: Sequence[Condition] = (),
    targets: Sequence[Target] = (),
    undo: bool = False,
    index_id: str | None = None,
) -> RemovalReport:
    """Marks the documents that are named as removed, in a new generation of the index's manifest.

    Nothing else changes: whoever opens the index from then on leaves them out. A reader sees the old manifest or the
    new one, each with its own list.

    Args:
        directory: An index.
        progress: Listens.
        ids: Ids of documents, ``corpus:shard:number``.
        conditions: Documents whose metadata meets all of these are named as well.
        targets: Documents that any of these takedowns concerns are named as well; a list may concern none.
        undo: Take the marks back, of the documents named, or all of them if none is named.
        index_id: Refuse to work on an index with another id: document numbers differ from index to index.

    Raises:
        PlanError: nothing is named; an id is none of this index's; or the index is not the one of ``index_id``.
        IndexFormatError: there is no index, or its manifests or list of removed documents disagree.
        IndexBusyError: another process is changing the index.
    """
    names_none = not ids and not conditions and not targets
    if names_none and not undo:
        raise PlanError("no document named; give --document, --ids-from, --where or --takedowns with some in force")
    stages = Stages(progress or SilentProgress())
    IndexManifest.load(directory)  # a wrong directory is told before a lock is made in it
    with change_lock(directory):
        manifest = IndexManifest.load(directory)
        if index_id not in (None, manifest.index_id):
            raise PlanError(f"{directory}: is index {manifest.index_id}, the documents named are of index {index_id}")
        shards = manifest.load_shards(directory, check_sidecars=False)
        before = load_removed(directory, manifest, shards)
        named = _named(directory, shards, ids, conditions, stages)
        if targets:
            named = _combined(np.union1d, named, _taken_down(directory, manifest, shards, targets))
        if undo:
            after = [np.zeros(0, np.uint64) for _ in shards] if names_none else _combined(np.setdiff1d, before, named)
            num_named = manifest.removed_documents if names_none else sum(map(len, named))
        else:
            after, num_named = _combined(np.union1d, before, named), sum(map(len, named))
        removed = sum(map(len, after))
        changed = abs(removed - manifest.removed_documents)
        if changed:
            manifest = _publish(directory, manifest, after)
    return RemovalReport(num_named, changed, removed, manifest.num_documents, manifest.generation)


def _named(
    directory: Path,
    shards: Sequence[ShardManifest],
    ids: Sequence[str],
    conditions: Sequence[Condition],
    stages: Stages,
) -> list[DocumentNumbers]:
    named = documents_of_ids(ids, shards)
    if not conditions:
        return named
    size_bytes = sum(shard.files[METADATA].size_bytes for shard in shards if METADATA in shard.files)
    with stages.stage(_METADATA_STAGE, size_bytes, "bytes") as stage:
        return _combined(np.union1d, named, documents_where(directory, shards, conditions, stage.advanced))


def _taken_down(
    directory: Path, manifest: IndexManifest, shards: Sequence[ShardManifest], targets: Sequence[Target]
) -> list[DocumentNumbers]:
    finders = [TakedownFinder(directory / shard_folder(shard.shard), manifest.index_id, shard) for shard in shards]
    return [finder.documents(targets) for finder in finders]


def _combined(
    combine: Callable[[DocumentNumbers, DocumentNumbers], DocumentNumbers],
    first: Sequence[DocumentNumbers],
    second: Sequence[DocumentNumbers],
) -> list[DocumentNumbers]:
    return [combine(*of_shard) for of_shard in zip(first, second, strict=True)]


def _publish(directory: Path, manifest: IndexManifest, removed: Sequence[DocumentNumbers]) -> IndexManifest:
    """Writes the next generation of the manifest, which names the list, and returns it."""
    total = sum(map(len, removed))
    sha256 = save_removed(directory, removed) if total else ""
    after = replace(manifest, generation=manifest.generation + 1, removed_documents=total, removed_sha256=sha256)
    after.save(directory)
    if manifest.removed_sha256 not in ("", sha256):
        with suppress(OSError):  # nobody reads it any more; a file that stays does no harm
            (directory / removed_file(manifest.removed_sha256)).unlink()
    return after
