"""Checksums and manifests: what turns written files into an index."""

import hashlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from pathlib import Path

from index_format.layout import CORE_FILES, INDEX_MANIFEST, SIDECARS, TOKENIZER_FILE
from index_format.manifest import (
    FORMAT_VERSION,
    FileEntry,
    IndexManifest,
    ShardManifest,
    flush_directory,
    index_id_of,
    write_durably,
)
from index_format.tokenizer import RAW_BYTES, JsonTokenizer, Tokenizer
from indexing.output import OutputDirectory
from indexing.plan import BuildPlan
from indexing.progress import BuildReport, Progress, Stages
from indexing.writing import WrittenCorpus, WrittenShard

_CHUNK_BYTES = 1 << 20


def publish_index(
    plan: BuildPlan,
    written: Sequence[WrittenShard],
    tokenizer: Tokenizer,
    width: int,
    output: OutputDirectory,
    stages: Stages,
) -> IndexManifest:
    """Writes the manifest of every shard, the tokenizer, and last the manifest of the index, which it returns."""
    names = (*CORE_FILES, *SIDECARS) if plan.accelerate else CORE_FILES
    size_bytes = sum((shard.directory / name).stat().st_size for shard in written for name in names)
    with stages.stage("checksums", size_bytes, "bytes") as progress:
        shards = [_publish_shard(shard, names, width, tokenizer.sha256, plan.threads, progress) for shard in written]
    if isinstance(tokenizer, JsonTokenizer):
        write_durably(output.create_file(TOKENIZER_FILE), tokenizer.content)
    manifest = IndexManifest(
        format_version=FORMAT_VERSION,
        index_id=index_id_of(shards),
        token_width=width,
        num_shards=len(shards),
        num_tokens=sum(shard.num_tokens for shard in shards),
        num_documents=sum(shard.num_documents for shard in shards),
        tokenizer=TOKENIZER_FILE if isinstance(tokenizer, JsonTokenizer) else RAW_BYTES,
        tokenizer_sha256=tokenizer.sha256,
        vocab_size=tokenizer.vocabulary.size,
        stage=plan.stage,
        source=plan.source,
        built_by=f"headwater {version('headwater')}",
    )
    output.create_file(INDEX_MANIFEST)
    # What the manifest speaks of is on disk, folders too, before it is: a power cut leaves no index that lacks a part.
    flush_directory(output.path)
    manifest.save(output.path)
    return manifest


def report_of(manifest: IndexManifest, written: WrittenCorpus, output: OutputDirectory, stages: Stages) -> BuildReport:
    """Returns what a build did, once its index is published."""
    index_files = (path for path in output.path.rglob("*") if path.is_file())
    return BuildReport(
        num_documents=manifest.num_documents,
        num_tokens=manifest.num_tokens,
        text_bytes=written.text_bytes,
        index_bytes=sum(path.stat().st_size for path in index_files),
        skipped_bad=written.skipped_bad,
        skipped_empty=written.skipped_empty,
        stage_seconds=stages.seconds,
        notes=stages.notes,
    )


def _publish_shard(
    shard: WrittenShard,
    names: Sequence[str],
    width: int,
    tokenizer_sha256: str,
    threads: int,
    progress: Progress,
) -> ShardManifest:
    entries = file_entries([shard.directory / name for name in names], threads, progress.advanced)
    manifest = ShardManifest(
        format_version=FORMAT_VERSION,
        shard=shard.number,
        token_width=width,
        num_tokens=shard.num_tokens,
        num_documents=shard.num_documents,
        tokenizer_sha256=tokenizer_sha256,
        files=dict(zip(names, entries, strict=True)),
    )
    manifest.save(shard.directory)
    return manifest


def file_entries(paths: Sequence[Path], threads: int, hashed: Callable[[int], None]) -> list[FileEntry]:
    """Returns the size and checksum of each file, several at a time; ``hashed`` is called from this thread only."""
    stop = threading.Event()
    with ThreadPoolExecutor(threads or None) as pool:
        entries = []
        try:
            for entry in pool.map(partial(_file_entry, stop), paths):
                hashed(entry.size_bytes)
                entries.append(entry)
        finally:
            stop.set()  # after an interrupt the pool is left once its threads end, which should be at once
        return entries


def _file_entry(stop: threading.Event, path: Path) -> FileEntry:
    digest = hashlib.sha256()
    size_bytes = 0
    with path.open("rb") as file:
        while not stop.is_set() and (chunk := file.read(_CHUNK_BYTES)):
            digest.update(chunk)
            size_bytes += len(chunk)
    return FileEntry(size_bytes, digest.hexdigest())
