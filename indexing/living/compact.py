"""Makes an index without the documents that were removed from another one."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from index_format.layout import SHARD_MANIFEST, check_path_name, shard_folder
from index_format.manifest import IndexManifest, ShardManifest, flush_directory
from indexing.building import Building, finish_shards
from indexing.disk_needs import check_disk, tree_bytes
from indexing.errors import EmptyCorpusError, PlanError
from indexing.living.links import link
from indexing.living.rewriting import (
    Effort,
    RewriteReport,
    SourceIndex,
    building_of,
    document_bytes,
    held_index,
    write_core_files,
)
from indexing.output import build_directory
from indexing.progress import Progress, SilentProgress, Stages
from indexing.sorting import plan_sort


def compact(
    directory: Path, output: Path, progress: Progress | None = None, effort: Effort | None = None
) -> RewriteReport:
    """Makes an index in ``output`` of the documents in ``directory`` that are not removed.

    Shards that hold removed documents are written anew, sorted and accelerated; the others are linked, or copied where
    files cannot be linked. A shard of which nothing is left is dropped, and those behind it move up. ``directory`` is
    only read: whoever has it open goes on. When it is interrupted, the same call goes on.

    Raises:
        PlanError: no document is removed.
        EmptyCorpusError: all documents are removed.
        IndexFormatError: there is no index, or its manifests disagree.
        IndexBusyError: another process is changing the index.
        IndexingError: as for a build.
    Cost: one pass over text and metadata of the shards concerned, then as sorting them does.
    """
    effort = effort or Effort()
    stages = Stages(progress or SilentProgress())
    check_path_name(output)
    with held_index(directory) as index:
        return _compact(index, output, effort, stages)


def _compact(index: SourceIndex, output: Path, effort: Effort, stages: Stages) -> RewriteReport:
    if not index.manifest.removed_documents:
        raise PlanError(
            f"{index.directory}: no document is removed, so there is nothing to compact ('headwater index remove')"
        )
    kept = [number for number in range(len(index.shards)) if index.reader(number).num_kept]
    if not kept:
        raise EmptyCorpusError(f"{index.directory}: every document is removed, an index without any cannot be")
    changed = [number for number in kept if len(index.removed[number])]
    accelerate = index.is_accelerated if effort.accelerate is None else effort.accelerate
    journal = index.journal("compact", accelerate=accelerate)
    with build_directory(output, journal, stages.note, fresh=effort.fresh) as build:
        if build.is_published:
            manifest = IndexManifest.load(output)
        else:
            building = building_of(build, effort, stages, accelerate=accelerate)
            # By new number, which is the old one unless a shard before it is dropped.
            places = {number: place for place, number in enumerate(kept)}
            _check_disk(index, changed, places, building)
            shards = _rewrite(index, changed, places, building)
            shards += [_link(index, number, places[number], building) for number in kept if number not in changed]
            shards.sort(key=lambda shard: shard.shard)
            manifest = index.publish(output, shards, _dealing(index, kept))
        build.finish()
    return RewriteReport(
        manifest,
        index.manifest.removed_documents,
        len(changed),
        len(kept) - len(changed),
        stages.seconds,
        stages.notes,
    )


def _rewrite(
    index: SourceIndex, changed: Sequence[int], places: dict[int, int], building: Building
) -> list[ShardManifest]:
    """Writes the shards that lose some of their documents, one after another."""
    if not changed:
        return []
    written = []
    size_bytes = document_bytes([index.shards[number] for number in changed])
    with building.stages.stage("leave out documents", size_bytes, "bytes") as stage:
        for number in changed:
            place = places[number]
            folder = building.directory.shard(place)
            written += write_core_files(index, [[number]], [(place, folder)], building.memory_bytes, stage.advanced)
    return finish_shards(written, index.manifest.token_width, index.manifest.tokenizer_sha256, building)


def _link(index: SourceIndex, number: int, place: int, building: Building) -> ShardManifest:
    """Links the files of a shard that stays as it is, and writes its manifest."""
    source, target = index.directory / shard_folder(number), building.directory.shard(place)
    manifest = replace(index.shards[number], shard=place)
    if not (target / SHARD_MANIFEST).exists():
        how = {link(source / name, target / name, "copy") for name in manifest.files}
        if "copy" in how:
            building.stages.note(f"{source}: copied, as its files cannot be linked into {target}")
        flush_directory(target)
        manifest.save(target)
    return manifest


def _dealing(index: SourceIndex, kept: Sequence[int]) -> list[int]:
    """Returns the new groups: those that lose nothing; the shards of others cannot be put in turn any more."""
    sizes = []
    for group in index.groups:
        if any(len(index.removed[number]) for number in group):
            sizes.append([1 for number in group if number in kept])
        else:
            sizes.append([len(group)])
    return list(chain.from_iterable(sizes))


def _check_disk(index: SourceIndex, changed: Sequence[int], places: dict[int, int], building: Building) -> None:
    width = index.manifest.token_width
    shards = [index.shards[number] for number in changed]
    index_bytes = sum(entry.size_bytes for shard in shards for entry in shard.files.values())
    plans = [
        plan_sort(shard.num_tokens, width, building.memory_bytes, building.threads, building.parts) for shard in shards
    ]
    run_bytes = max((plan.temporary_bytes for plan in plans), default=0)
    done_bytes = sum(tree_bytes(building.directory.path / shard_folder(places[number])) for number in changed)
    check_disk(building.directory.path, max(0, index_bytes + run_bytes - done_bytes), estimated=False)
