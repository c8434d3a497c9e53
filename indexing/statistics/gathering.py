"""Gathers the statistics of an index: the steps, in order."""

import errno
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from index_format.layout import SIDECARS, shard_folder
from index_format.manifest import IndexManifest, ShardManifest
from index_format.tokenizer import open_tokenizer
from index_format.vocabulary import Vocabulary
from indexing.errors import DiskFullError, PlanError
from indexing.own_process import call_in_processes
from indexing.plan import check_threads
from indexing.progress import Progress, SilentProgress, Stages
from indexing.statistics.document_lengths import count_lengths, lengths_of
from indexing.statistics.duplicate_documents import (
    BucketDuplicates,
    FoundGroup,
    RecordsWritten,
    all_duplicates,
    find_duplicates,
    num_buckets,
    write_records,
)
from indexing.statistics.repeats import RepeatCounts, count_repeats, repeats_of
from indexing.statistics.shard import StatisticsShard
from indexing.statistics.sources_of_documents import DEFAULT_FIELD, SourceCounts, count_sources, sources_of
from indexing.statistics.token_use import token_use
from indexing.statistics.values import DuplicateGroup, Duplicates, IndexStatistics

# Below it a process of its own costs more than it saves.
_SMALL_TOKENS = 100_000_000
_BEGINNING_TOKENS = 40


def gather_statistics(
    directory: Path,
    progress: Progress | None = None,
    threads: int = 0,
    *,
    by: str = DEFAULT_FIELD,
    sample: float | None = None,
    seed: int = 0,
    scratch: Path | None = None,
) -> IndexStatistics:
    """Returns the statistics of an index. Nothing is checked: `verify` does that.

    Args:
        directory: The index.
        progress: Told of the stages.
        threads: Shards that are looked at side by side, each by a process; 0 is one a core.
        by: The field of the metadata that sources are told apart by.
        sample: Look only at this share of the ranks, documents and metadata lines, above 0 and below 1. Lengths and
            token counts are always of everything.
        seed: Which share.
        scratch: Folder for temporary files, 16 bytes a document; the system's by default.

    Raises:
        PlanError: ``threads`` or ``sample`` is out of range.
        DiskFullError: there is no room for the temporary files.
        IndexFormatError: there is no index, or its files have other sizes than published.
        WorkerKilledError: a process was killed.
    Memory: about 250 MB a process, whatever the index holds, and the page cache.
    """
    check_threads(threads)
    if sample is not None and not 0 < sample < 1:
        raise PlanError(f"sample of {sample}, expected a share above 0 and below 1")
    stages = Stages(progress or SilentProgress())
    manifest = IndexManifest.load(directory)
    shards = [_shard(directory, shard) for shard in manifest.load_shards(directory)]
    vocabulary = open_tokenizer(directory, manifest).vocabulary
    share = 1.0 if sample is None else sample
    at_once = 1 if manifest.num_tokens < _SMALL_TOKENS else threads or len(os.sched_getaffinity(0))

    lengths = lengths_of([count_lengths(shard) for shard in shards])
    tokens = token_use(shards, vocabulary)
    with (
        _scratch_folder(scratch) as records,
        stages.stage("count", int(manifest.num_tokens * (1 + share)), "tokens") as stage,
    ):
        buckets = num_buckets(int(manifest.num_documents * share))
        calls = [(shard, by, share, seed, buckets, records) for shard in shards]
        counts = call_in_processes(_count_shard, calls, at_once, stage.advanced)
        in_buckets = [(shards, bucket, records) for bucket in range(buckets)]
        found = all_duplicates(call_in_processes(find_duplicates, in_buckets, at_once, stage.advanced))
    repeats = [shard.repeats for shard in counts if shard.repeats is not None]
    sources = [shard.sources for shard in counts if shard.sources is not None]
    return IndexStatistics(
        index_id=manifest.index_id,
        num_shards=manifest.num_shards,
        num_documents=manifest.num_documents,
        num_tokens=manifest.num_tokens,
        token_width=manifest.token_width,
        sample=sample,
        seed=seed,
        lengths=lengths,
        repeats=repeats_of(repeats) if len(repeats) == len(shards) else None,
        duplicates=_duplicates(found, [shard.records for shard in counts], shards, vocabulary),
        tokens=tokens,
        sources=sources_of(sources, by) if len(sources) == len(shards) else None,
        notes=stages.notes,
        stage_seconds=stages.seconds,
    )


def _shard(directory: Path, shard: ShardManifest) -> StatisticsShard:
    folder = directory / shard_folder(shard.shard)
    return StatisticsShard(
        folder=folder,
        number=shard.shard,
        token_width=shard.token_width,
        num_tokens=shard.num_tokens,
        num_documents=shard.num_documents,
        is_accelerated=all((folder / name).exists() for name in SIDECARS),  # listed in the manifest or not yet
    )


@dataclass(frozen=True, slots=True)
class _ShardCounts:
    """What is counted of a shard by a process."""

    sources: SourceCounts | None
    repeats: RepeatCounts | None
    records: RecordsWritten


def _count_shard(
    shard: StatisticsShard,
    by: str,
    share: float,
    seed: int,
    buckets: int,
    records: Path,
    advanced: Callable[[int], None],
) -> _ShardCounts:
    return _ShardCounts(
        sources=count_sources(shard, by, share, seed),
        repeats=count_repeats(shard, share, seed, advanced),
        records=write_records(shard, share, buckets, records, advanced),
    )


@contextmanager
def _scratch_folder(parent: Path | None) -> Iterator[Path]:
    """Yields a folder for temporary files, which is removed.

    Raises:
        DiskFullError: the body found the disk full.
    """
    with tempfile.TemporaryDirectory(prefix="headwater-stats-", dir=parent) as folder:
        try:
            yield Path(folder)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise DiskFullError(
                f"{folder}: the disk is full, finding duplicates takes 16 bytes a document there; "
                "choose another folder with --work-dir"
            ) from error


def _duplicates(
    found: BucketDuplicates,
    written: Sequence[RecordsWritten],
    shards: Sequence[StatisticsShard],
    vocabulary: Vocabulary,
) -> Duplicates:
    by_number = {shard.number: shard for shard in shards}
    return Duplicates(
        documents_looked_at=sum(records.num_documents for records in written),
        tokens_looked_at=sum(records.num_tokens for records in written),
        num_groups=found.num_groups,
        num_documents=found.num_documents,
        num_tokens=found.num_tokens,
        largest=tuple(_described(group, by_number[group.shard], vocabulary) for group in found.largest),
    )


def _described(group: FoundGroup, shard: StatisticsShard, vocabulary: Vocabulary) -> DuplicateGroup:
    start, _ = shard.bounds(shard.starts(), group.document, group.document + 1).tolist()
    width = shard.token_width
    num_tokens = min(_BEGINNING_TOKENS, group.num_tokens)
    content = shard.text()[start + width : start + width * (1 + num_tokens)]
    token_ids = np.frombuffer(content.tobytes(), f"<u{width}").tolist()
    pieces = (vocabulary.pieces[token_id] for token_id in token_ids if token_id < vocabulary.size)
    return DuplicateGroup(
        num_documents=group.num_documents,
        num_tokens=group.num_tokens,
        shard=group.shard,
        document=group.document,
        beginning=b"".join(pieces).decode(errors="replace"),
    )
