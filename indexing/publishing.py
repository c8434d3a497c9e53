"""Checksums and manifests: what turns written files into an index."""

import hashlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from pathlib import Path

from index_format.layout import TOKENIZER_FILE
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
from indexing.plan import BuildPlan
from indexing.progress import BuildReport, Stages
from indexing.written_corpus import TokenizedCorpus

_CHUNK_BYTES = 1 << 20


def publish_index(
    plan: BuildPlan, shards: list[ShardManifest], tokenizer: Tokenizer, token_width: int
) -> IndexManifest:
    """Writes the tokenizer and last the manifest of an index whose shards have theirs, and returns it."""
    if isinstance(tokenizer, JsonTokenizer):
        write_durably(plan.output / TOKENIZER_FILE, tokenizer.content)
    manifest = IndexManifest(
        format_version=FORMAT_VERSION,
        index_id=index_id_of(shards),
        token_width=token_width,
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
    # What the manifest speaks of is on disk, folders too, before it is: a power cut leaves no index that lacks a part.
    flush_directory(plan.output)
    manifest.save(plan.output)
    return manifest


def report_of(
    manifest: IndexManifest, corpus: TokenizedCorpus, index_bytes: int, stages: Stages, *, continued: bool
) -> BuildReport:
    """Returns what a build did."""
    return BuildReport(
        num_documents=manifest.num_documents,
        num_tokens=manifest.num_tokens,
        text_bytes=corpus.text_bytes,
        index_bytes=index_bytes,
        temporary_bytes=stages.temporary_bytes,
        skipped_bad=corpus.skipped_bad,
        skipped_empty=corpus.skipped_empty,
        sources=corpus.sources,
        stage_seconds=stages.seconds,
        notes=stages.notes,
        continued=continued,
    )


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
