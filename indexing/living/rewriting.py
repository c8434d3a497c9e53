"""What compacting an index and dealing it out anew share: how to work, readers of its shards, its next manifest."""

import hashlib
import resource
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from index_format.layout import INDEX_MANIFEST, METADATA, OFFSET, TOKENIZED, UNIGRAM, shard_folder
from index_format.manifest import IndexManifest, ShardManifest, flush_directory, index_id_of, write_durably
from index_format.removed_documents import DocumentNumbers, load_removed
from index_format.tokenizer import RAW_BYTES
from indexing.assembling import WrittenShard
from indexing.budget import memory_budget
from indexing.build_journal import BuildJournal
from indexing.building import Building
from indexing.disk_needs import format_bytes
from indexing.durable_file import BUFFER_BYTES
from indexing.errors import IndexBusyError, MemoryBudgetError, PlanError
from indexing.living.change_lock import unchanged
from indexing.living.core_writer import CoreWriter
from indexing.living.dealing import deal_documents
from indexing.living.shard_reader import ShardReader
from indexing.local_tasks import LocalTasks
from indexing.output import BuildDirectory
from indexing.plan import check_threads
from indexing.progress import Stages

_LEAST_BLOCK_BYTES, _MOST_BLOCK_BYTES = 1 << 20, 32 << 20
# Of the budget: a block is read, joined and counted, and Python itself takes its part.
_BLOCKS_IN_MEMORY = 16
# Of each shard that is read or written.
_OPEN_FILES = 4
# The standard streams, locks, libraries.
_OTHER_OPEN_FILES = 64


@dataclass(frozen=True, slots=True)
class Effort:
    """How an index is rewritten; none of it changes the bytes, but whether there are sidecars.

    Attributes:
        memory_bytes: Most memory of each process; None takes 80 % of what is available.
        threads: Threads that sort and compute checksums; 0 means one a core.
        parts: Parts that each shard is sorted in; None takes as few as the memory allows.
        accelerate: Build sidecars; None does if the index has them throughout.
        fresh: Begin anew where an unfinished rewrite is found.
    """

    memory_bytes: int | None = None
    threads: int = 0
    parts: int | None = None
    accelerate: bool | None = None
    fresh: bool = False

    def __post_init__(self) -> None:
        check_threads(self.threads)


@dataclass(frozen=True, slots=True)
class RewriteReport:
    """What a rewrite made: the new manifest, how many documents were left out, shards written and shards linked."""

    manifest: IndexManifest
    left_out: int
    rewritten: int
    linked: int
    stage_seconds: tuple[tuple[str, float], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SourceIndex:
    """An index to rewrite, at one generation."""

    directory: Path
    manifest: IndexManifest
    shards: Sequence[ShardManifest]
    removed: Sequence[DocumentNumbers]
    manifest_sha256: str

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Returns the index in ``directory``.

        Raises:
            IndexFormatError: there is none, or its manifests disagree.
        """
        manifest = IndexManifest.load(directory)
        sha256 = _sha256(directory / INDEX_MANIFEST)
        shards = manifest.load_shards(directory)
        return cls(directory, manifest, shards, load_removed(directory, manifest, shards), sha256)

    @property
    def is_accelerated(self) -> bool:
        """Whether every shard has its sidecars."""
        return all(shard.is_accelerated for shard in self.shards)

    @property
    def groups(self) -> list[list[int]]:
        """The shards that were dealt out together, first group first."""
        sizes = self.manifest.dealing or (self.manifest.num_shards,)
        numbers = iter(range(self.manifest.num_shards))
        return [[next(numbers) for _ in range(size)] for size in sizes]

    def reader(self, number: int) -> ShardReader:
        """Returns a reader of a shard."""
        return ShardReader(self.directory / shard_folder(number), self.shards[number], self.removed[number])

    def journal(self, command: str, **options: Any) -> BuildJournal:
        """Returns the journal of a command that rewrites this very generation."""
        return BuildJournal(
            uuid.uuid4().hex[:16],
            {
                "built by": f"headwater {version('headwater')}",
                "command": command,
                "index": f"generation {self.manifest.generation}, sha256 {self.manifest_sha256}",
                **options,
            },
            {},
        )

    def publish(self, output: Path, shards: Sequence[ShardManifest], dealing: Sequence[int]) -> IndexManifest:
        """Writes tokenizer and manifest of the next generation, whose shards have theirs, and returns the latter.

        Raises:
            IndexBusyError: documents were added to the index, or removed from it, since it was loaded.
        """
        if _sha256(self.directory / INDEX_MANIFEST) != self.manifest_sha256:
            raise IndexBusyError(
                f"{self.directory}: documents were added or removed meanwhile, which {output} does not know of; "
                "run the command again with --fresh"
            )
        if self.manifest.tokenizer != RAW_BYTES:
            write_durably(output / self.manifest.tokenizer, (self.directory / self.manifest.tokenizer).read_bytes())
        manifest = replace(
            self.manifest,
            index_id=index_id_of(list(shards)),
            num_shards=len(shards),
            num_tokens=sum(shard.num_tokens for shard in shards),
            num_documents=sum(shard.num_documents for shard in shards),
            generation=self.manifest.generation + 1,
            removed_documents=0,
            removed_sha256="",
            dealing=tuple(dealing) if len(dealing) > 1 else (),
        )
        flush_directory(output)
        manifest.save(output)
        return manifest


@contextmanager
def held_index(directory: Path) -> Iterator[SourceIndex]:
    """Yields the index in ``directory``, to which nothing is added meanwhile and from which nothing is removed.

    Raises:
        IndexFormatError: there is none, or its manifests disagree.
        IndexBusyError: another process is changing it.
    """
    IndexManifest.load(directory)  # a wrong directory is told before a lock is made in it
    with unchanged(directory):
        yield SourceIndex.load(directory)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def building_of(directory: BuildDirectory, effort: Effort, stages: Stages, *, accelerate: bool) -> Building:
    """Returns what the stages after the core files need, in this process."""
    return Building(
        directory,
        LocalTasks(),
        stages,
        memory_budget(effort.memory_bytes),
        effort.threads,
        effort.parts,
        accelerate,
    )


def write_core_files(
    index: SourceIndex,
    groups: Sequence[Sequence[int]],
    folders: Sequence[tuple[int, Path]],
    memory_bytes: int,
    read: Callable[[int], None],
) -> list[WrittenShard]:
    """Deals the documents of some shards out to new ones, given by number and folder; see `dealing.deal_documents`.

    New shards that are all finished are left as they are.

    Raises:
        MemoryBudgetError: so many shards cannot be written side by side.
    """
    width = index.manifest.token_width
    if all((folder / UNIGRAM).exists() for _, folder in folders):
        read(sum(_document_bytes(index.shards[number]) for group in groups for number in group))
        return [written_shard(folder, number, width) for number, folder in folders]
    writer_bytes = 8 * index.manifest.vocab_size + _OPEN_FILES * BUFFER_BYTES
    if len(folders) * writer_bytes > memory_bytes // 2:
        raise MemoryBudgetError(
            f"writing {len(folders)} shards side by side needs {format_bytes(2 * len(folders) * writer_bytes)} of "
            f"memory, {format_bytes(memory_bytes)} may be used; ask for fewer shards, or allow more (--memory)"
        )
    _check_open_files(sum(map(len, groups)) + len(folders))
    has_metadata = any(METADATA in index.shards[number].files for group in groups for number in group)
    block_bytes = min(_MOST_BLOCK_BYTES, max(_LEAST_BLOCK_BYTES, memory_bytes // _BLOCKS_IN_MEMORY))
    with ExitStack() as stack:
        readers = [[stack.enter_context(index.reader(number)) for number in group] for group in groups]
        writers = [
            stack.enter_context(
                CoreWriter(
                    folder,
                    number,
                    token_width=width,
                    vocab_size=index.manifest.vocab_size,
                    has_metadata=has_metadata,
                )
            )
            for number, folder in folders
        ]
        deal_documents(readers, writers, read, block_bytes)
        return [writer.finish() for writer in writers]


def _check_open_files(num_shards: int) -> None:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = num_shards * _OPEN_FILES + _OTHER_OPEN_FILES
    if limit != resource.RLIM_INFINITY and needed > limit:
        raise PlanError(
            f"reading and writing {num_shards} shards side by side needs {needed} open files, this process may have "
            f"{limit}; raise the limit (ulimit -n {needed})"
        )


def written_shard(folder: Path, number: int, token_width: int) -> WrittenShard:
    """Returns what a shard holds whose core files are there."""
    num_tokens = (folder / TOKENIZED).stat().st_size // token_width
    return WrittenShard(folder, number, num_tokens, (folder / OFFSET).stat().st_size // 8)


def document_bytes(shards: Sequence[ShardManifest]) -> int:
    """Returns the bytes of the documents of some shards: their text and metadata."""
    return sum(map(_document_bytes, shards))


def _document_bytes(shard: ShardManifest) -> int:
    return sum(shard.files[name].size_bytes for name in (TOKENIZED, METADATA) if name in shard.files)
