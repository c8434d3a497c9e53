"""The units of a build that are run as tasks. Each may be run again: it takes its lock, and leaves alone what is done.

Every unit takes the file of its lock first and is told of progress last; what is between is what it works on.
"""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from index_format.layout import CORE_FILES, METADATA, METAOFF, SHARD_MANIFEST, SIDECARS
from index_format.manifest import FORMAT_VERSION, ShardManifest
from indexing.assembling import WrittenShard, assemble_shard
from indexing.chunks import Chunk
from indexing.errors import OutputError
from indexing.output import task_lock
from indexing.publishing import file_entries
from indexing.sorting import merge_parts, sort_part
from indexing.splits import Split
from indexing.tasks import Advanced
from indexing.tokenizing_task import Tokenizing, tokenize_split

# Shards that infini-gram built may lack them.
_OPTIONAL = (METADATA, METAOFF)


def tokenize_unit(lock: Path, split: Split, how: Tokenizing, folder: Path, advanced: Advanced) -> tuple[int, Chunk]:
    """Writes the chunk of a split; returns its number and what it holds."""
    with _at_work(lock):
        return split.number, tokenize_split(split, how, folder, advanced)


def assemble_unit(
    lock: Path,
    chunks: Sequence[Path],
    shard: int,
    num_shards: int,
    folder: Path,
    token_width: int,
    vocab_size: int,
    advanced: Advanced,
) -> WrittenShard:
    """Writes the core files of a shard, but for the table."""
    with _at_work(lock):
        return assemble_shard(chunks, shard, num_shards, folder, token_width, vocab_size, advanced)


def sort_unit(
    lock: Path,
    folder: Path,
    token_width: int,
    part: int,
    num_parts: int,
    threads: int,
    accelerate: bool,
    advanced: Advanced,
) -> None:
    """Sorts one part of a shard; its only part becomes the table, and has its sidecars made too."""
    with _at_work(lock) as held:
        sort_part(
            folder, token_width, part, num_parts, threads, accelerate=accelerate, advanced=advanced, held_open=[held]
        )


def merge_unit(
    lock: Path,
    folder: Path,
    token_width: int,
    num_parts: int,
    threads: int,
    memory_bytes: int,
    accelerate: bool,
    advanced: Advanced,
) -> None:
    """Merges the parts of a shard into its table, and makes its sidecars."""
    with _at_work(lock) as held:
        merge_parts(
            folder,
            token_width,
            num_parts,
            threads,
            memory_bytes,
            accelerate=accelerate,
            advanced=advanced,
            held_open=[held],
        )


def list_unit(
    lock: Path,
    shard: WrittenShard,
    token_width: int,
    tokenizer_sha256: str,
    accelerate: bool,
    threads: int,
    advanced: Advanced,
) -> ShardManifest:
    """Writes the manifest of a shard: what it holds, and size and checksum of every file."""
    with _at_work(lock):
        if (shard.directory / SHARD_MANIFEST).exists():
            return ShardManifest.load(shard.directory)
        names = files_of(shard.directory, accelerate=accelerate)
        entries = file_entries([shard.directory / name for name in names], threads, advanced)
        manifest = ShardManifest(
            format_version=FORMAT_VERSION,
            shard=shard.number,
            token_width=token_width,
            num_tokens=shard.num_tokens,
            num_documents=shard.num_documents,
            tokenizer_sha256=tokenizer_sha256,
            files=dict(zip(names, entries, strict=True)),
        )
        manifest.save(shard.directory)
        return manifest


def files_of(folder: Path, *, accelerate: bool) -> list[str]:
    """Returns the names of the files that a finished shard in ``folder`` is made of."""
    core = [name for name in CORE_FILES if name not in _OPTIONAL or (folder / name).exists()]
    return [*core, *SIDECARS] if accelerate else core


@contextmanager
def _at_work(lock: Path) -> Iterator[int]:
    """Holds the lock of a unit, once it is sure that this machine sees the files of the build."""
    if not lock.parent.is_dir():
        raise OutputError(
            f"{lock.parent}: not found on {socket.gethostname()}; every machine at work on a build must see the "
            "folders of the index and of the work under the same paths, on a shared file system"
        )
    with task_lock(lock) as held:
        yield held
