"""Adds sidecars to an index that exists: what is missing, what it will cost, the work, the manifests."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from index_format.errors import ManifestError
from index_format.layout import SIDECARS
from indexing.accelerating import accelerate_shards
from indexing.acceleration_cost import check_and_tell_cost
from indexing.engine_call import call_engine
from indexing.errors import AccelerationError, EngineCallError
from indexing.index_lock import index_lock
from indexing.plan import check_threads
from indexing.progress import Progress, SilentProgress, Stages
from indexing.publishing import file_entries
from indexing.shard_files import ShardFiles, find_shards


@dataclass(frozen=True, slots=True)
class AccelerationReport:
    """What adding sidecars did, and what those of all the shards asked for take on disk.

    ``directory_bytes`` are also the RAM that an opened index takes for them. ``accelerated`` counts the shards whose
    sidecars were built, out of ``num_shards``.
    """

    num_shards: int
    accelerated: int
    num_tokens: int
    fan_out_bytes: int
    directory_bytes: int
    stage_seconds: tuple[tuple[str, float], ...]


def accelerate(
    directory: Path,
    progress: Progress | None = None,
    *,
    token_width: int | None = None,
    shards: Collection[int] = (),
    force: bool = False,
    threads: int = 0,
) -> AccelerationReport:
    """Adds the sidecars to the shards of an index that lack them.

    A reader sees a shard without them or with both, at any moment and after any interruption; what is done of a shard
    is kept, and continued by the next call. Manifests are written after the files they list, and before files that they
    list are replaced.

    Args:
        directory: An index, ours or infini-gram's (see `shard_files.find_shards`).
        progress: Listens.
        token_width: Bytes a token; needed only if infini-gram's files do not tell.
        shards: Numbers of the shards to accelerate; empty for all.
        force: Build sidecars again where there are some, from the beginning.
        threads: Threads; 0 means one a core.

    Raises:
        PlanError: an argument does not fit the index, or the width of a token cannot be told.
        IndexFormatError: there is no index, or its manifests or sizes disagree.
        IndexBusyError: another process is adding sidecars to it.
        MemoryBudgetError, DiskFullError: there is too little memory or disk.
        AccelerationError, EngineKilledError: the work on a shard failed or was killed.
    Cost: one pass over table and text (docs/indexing.md), memory as `suffix_engine.accelerate_memory_bytes`.
    """
    check_threads(threads)
    stages = Stages(progress or SilentProgress())
    find_shards(directory, token_width, shards)  # an error in what was asked for comes before any file is made
    with index_lock(directory) as lock:
        found = find_shards(directory, token_width, shards)
        unlisted = [shard for shard in found if force or not _is_listed(shard)]
        missing = [shard for shard in unlisted if force or not _is_whole(shard, lock)]
        if missing:
            for shard in missing if force else ():
                shard.unfinished.unlink(missing_ok=True)
            check_and_tell_cost(missing, threads, stages)
            for shard in missing:
                _unlist(shard)
            accelerate_shards(missing, threads, stages, [lock])
        _list([shard for shard in unlisted if shard.manifest is not None], threads, stages)
    return _report(found, len(missing), stages)


def _is_listed(shard: ShardFiles) -> bool:
    """Says whether the shard's manifest lists the sidecars and they have the size it says."""
    if shard.manifest is None or not shard.manifest.is_accelerated:
        return False
    try:
        shard.manifest.check_files(shard.folder)
    except ManifestError:
        return False
    return True


def _is_whole(shard: ShardFiles, lock: int) -> bool:
    """Says whether finished sidecars of this very shard are there, as after a crash before they were listed.

    Raises:
        AccelerationError: the shard cannot be opened for another reason than its sidecars.
    """
    printed: list[str] = []
    try:
        call_engine(
            "open",
            shard.folder,
            token_width=shard.token_width,
            num_threads=1,
            number=shard.number,
            heard=printed.append,
            held_open=[lock],
        )
    except EngineCallError as error:
        if not any(path.exists() for path in shard.sidecars):
            raise AccelerationError(str(error)) from error
        return False
    return printed == ["accelerated"] and not shard.unfinished.exists()


def _unlist(shard: ShardFiles) -> None:
    if shard.manifest is not None and shard.manifest != (core := shard.manifest.without_sidecars()):
        core.save(shard.folder)


def _list(shards: Sequence[ShardFiles], threads: int, stages: Stages) -> None:
    """Writes the sidecars into the manifests of shards, which have them by now."""
    if not shards:
        return
    size_bytes = sum(path.stat().st_size for shard in shards for path in shard.sidecars)
    with stages.stage("checksums", size_bytes, "bytes") as progress:
        for shard in shards:
            assert shard.manifest is not None
            entries = file_entries(shard.sidecars, threads, progress.advanced)
            shard.manifest.with_sidecars(dict(zip(SIDECARS, entries, strict=True))).save(shard.folder)


def _report(shards: Sequence[ShardFiles], accelerated: int, stages: Stages) -> AccelerationReport:
    sizes = [[path.stat().st_size for path in shard.sidecars] for shard in shards]
    return AccelerationReport(
        num_shards=len(shards),
        accelerated=accelerated,
        num_tokens=sum(shard.num_tokens for shard in shards),
        fan_out_bytes=sum(fan_out for fan_out, _ in sizes),
        directory_bytes=sum(directory for _, directory in sizes),
        stage_seconds=stages.seconds,
    )
