"""Deals an index out to another number of shards."""

from pathlib import Path

from index_format.layout import MAX_SHARDS, METADATA, check_path_name
from index_format.manifest import IndexManifest
from indexing.budget import memory_budget
from indexing.building import finish_shards
from indexing.disk_needs import DiskNeeds, check_disk, tree_bytes
from indexing.errors import PlanError
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


def merge_shards(
    directory: Path, output: Path, num_shards: int, progress: Progress | None = None, effort: Effort | None = None
) -> RewriteReport:
    """Makes an index in ``output`` of the documents of the one in ``directory``, in ``num_shards`` shards.

    Documents keep the order in which they were read, as far as the manifest tells it ('dealing'), so the result is,
    byte for byte, what a build of the same corpus with so many shards gives. Removed documents are left out, as if they
    had never been in the corpus. When it is interrupted, the same call goes on.

    Raises:
        PlanError: there are fewer documents than shards.
        IndexFormatError: there is no index, or its manifests disagree.
        IndexBusyError: another process is changing the index.
        IndexingError: as for a build.
    Cost: one pass over text and metadata; then as sorting does.
    """
    effort = effort or Effort()
    stages = Stages(progress or SilentProgress())
    check_path_name(output)
    with held_index(directory) as index:
        return _merge(index, output, num_shards, effort, stages)


def _merge(index: SourceIndex, output: Path, num_shards: int, effort: Effort, stages: Stages) -> RewriteReport:
    left_out = index.manifest.removed_documents
    num_kept = index.manifest.num_documents - left_out
    if not 1 <= num_shards <= MAX_SHARDS:
        raise PlanError(f"{num_shards} shards, expected 1 to {MAX_SHARDS}")
    if num_kept < num_shards:
        raise PlanError(f"{num_kept} documents cannot fill {num_shards} shards; use --shards {num_kept} or fewer")
    accelerate = index.is_accelerated if effort.accelerate is None else effort.accelerate
    _check_disk(index, output, num_shards, effort, accelerate=accelerate)
    _note_unknown_order(index, stages)
    journal = index.journal("merge-shards", shards=num_shards, accelerate=accelerate)
    with build_directory(output, journal, stages.note, fresh=effort.fresh) as build:
        if build.is_published:
            manifest = IndexManifest.load(output)
        else:
            building = building_of(build, effort, stages, accelerate=accelerate)
            folders = [(number, build.shard(number)) for number in range(num_shards)]
            with stages.stage("deal documents", document_bytes(index.shards), "bytes") as stage:
                written = write_core_files(index, index.groups, folders, building.memory_bytes, stage.advanced)
            shards = finish_shards(written, index.manifest.token_width, index.manifest.tokenizer_sha256, building)
            manifest = index.publish(output, shards, ())
        build.finish()
    return RewriteReport(manifest, left_out, num_shards, 0, stages.seconds, stages.notes)


def _check_disk(index: SourceIndex, output: Path, num_shards: int, effort: Effort, *, accelerate: bool) -> None:
    width = index.manifest.token_width
    in_shard = -(-index.manifest.num_tokens // num_shards)
    plan = plan_sort(in_shard, width, memory_budget(effort.memory_bytes), effort.threads, effort.parts)
    needs = DiskNeeds.of(
        index.manifest.num_tokens,
        width,
        index.manifest.num_documents,
        sum(shard.files[METADATA].size_bytes for shard in index.shards if METADATA in shard.files),
        num_shards=num_shards,
        run_bytes=plan.temporary_bytes,
        accelerate=accelerate,
    )
    # What an interrupted attempt has written is there already.
    check_disk(output, max(0, needs.peak_without_chunks - tree_bytes(output)), estimated=False)


def _note_unknown_order(index: SourceIndex, stages: Stages) -> None:
    if len(index.groups) > 1:
        stages.note(
            f"{index.directory}: its shards are {len(index.groups)} groups, that were added, compacted or imported; "
            "within a group documents keep their order, and groups follow one another"
        )
