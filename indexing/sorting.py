"""Sorts shards one after another, each in a process that ends with the build."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from index_format.layout import DIRECTORY, TABLE, TOKENIZED
from indexing.accelerating import accelerate_shards
from indexing.assembling import WrittenShard
from indexing.engine_call import call_engine
from indexing.errors import EngineCallError, MemoryBudgetError, SortError
from indexing.progress import SilentProgress, Stages
from indexing.shard_files import ShardFiles
from suffix_engine import sort_memory_bytes


def sort_shards(shards: Sequence[WrittenShard], width: int, num_threads: int, stages: Stages) -> None:
    """Writes the table of every shard, one after another: each takes all cores and as much memory as it needs.

    Raises:
        SortError: a sort failed.
        EngineKilledError: its process was killed.
    """
    with stages.stage("sort", sum(shard.num_tokens for shard in shards), "tokens") as progress:
        for shard in shards:
            try:
                call_engine("sort", shard.directory, token_width=width, num_threads=num_threads)
            except EngineCallError as error:
                raise SortError(f"{shard.directory}: the shard could not be sorted ({error})") from error
            progress.advanced(shard.num_tokens)


@dataclass(frozen=True, slots=True)
class SortPlan:
    """How a shard is sorted: in how many parts, in how much memory, with how much temporary disk."""

    parts: int
    memory_bytes: int
    temporary_bytes: int


def plan_sort(num_tokens: int, token_width: int, memory_bytes: int, threads: int, parts: int | None) -> SortPlan:
    """Returns how a shard of this size is sorted within ``memory_bytes``.

    Raises:
        MemoryBudgetError: it cannot be.
    """
    needed_bytes = sort_memory_bytes(num_tokens, token_width)
    if needed_bytes > memory_bytes:
        raise MemoryBudgetError(
            f"a shard of {num_tokens:,} tokens needs {needed_bytes:,} bytes of memory to sort, the build may use "
            f"{memory_bytes:,}; allow more memory (--memory)"
        )
    return SortPlan(1, needed_bytes, 0)


def sort_part(
    folder: Path,
    token_width: int,
    part: int,
    num_parts: int,
    threads: int,
    *,
    accelerate: bool,
    advanced: Callable[[int], None],
    held_open: Sequence[int] = (),
) -> None:
    """Sorts one part of the shard in ``folder``; the only part becomes the table, with its sidecars.

    Raises:
        SortError, AccelerationError: the engine failed.
        EngineKilledError: its process was killed.
    """
    assert (part, num_parts) == (0, 1)
    if not (folder / TABLE).exists():
        try:
            call_engine("sort", folder, token_width=token_width, num_threads=threads, held_open=held_open)
        except EngineCallError as error:
            raise SortError(f"{folder}: the shard could not be sorted ({error})") from error
    if accelerate and not (folder / DIRECTORY).exists():
        num_tokens = (folder / TOKENIZED).stat().st_size // token_width
        shard = ShardFiles(folder, 0, token_width, num_tokens)
        accelerate_shards([shard], threads, Stages(SilentProgress()), held_open)


def merge_parts(
    folder: Path,
    token_width: int,
    num_parts: int,
    threads: int,
    memory_bytes: int,
    *,
    accelerate: bool,
    advanced: Callable[[int], None],
    held_open: Sequence[int] = (),
) -> None:
    """Merges the parts of the shard in ``folder`` into its table, with its sidecars. One part needs no merge."""
    assert num_parts == 1
