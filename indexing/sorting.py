"""Sorts a shard, in parts if it does not fit into memory: each call in a process that ends with this one.

A part is sorted into a run, a file beside the text; the runs are merged into the table and its sidecars. The table does
not depend on the number of parts.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from index_format.layout import SIDECARS, TABLE
from index_format.manifest import flush_directory
from indexing.disk_needs import format_bytes
from indexing.engine_call import call_engine
from indexing.errors import EngineCallError, MemoryBudgetError, SortError
from suffix_engine import (
    MAX_PART_TOKENS,
    MAX_PARTS,
    longest_part,
    merge_memory_bytes,
    run_bytes,
    sort_memory_bytes,
)

# What threads hold of their own may take this share of the budget; the rest is for the part.
_SHARE_OF_THREADS = 0.25
_RUNS = "sorted_part."


@dataclass(frozen=True, slots=True)
class SortPlan:
    """How a shard is sorted: in how many parts, on how many threads, in how much memory and temporary disk."""

    parts: int
    memory_bytes: int
    temporary_bytes: int
    threads: int


def plan_sort(
    num_tokens: int,
    token_width: int,
    memory_bytes: int,
    threads: int,
    parts: int | None,
    *,
    folder: Path | None = None,
) -> SortPlan:
    """Returns how a shard of this size is sorted within ``memory_bytes``: in as few parts as possible.

    Args:
        num_tokens: Positions of the shard.
        token_width: Bytes a token.
        memory_bytes: Most memory of the process that sorts.
        threads: Most threads; 0 means one a core. Fewer are taken where they would need too much of the memory.
        parts: How many parts to sort it in; None for as few as the memory allows.
        folder: Where the shard's text is, once it is there: documents are not cut, so a part may be longer than others.

    Raises:
        MemoryBudgetError: it cannot be sorted so, whatever the number of parts; or not in ``parts``.
    """
    threads = _threads_within(memory_bytes, threads, token_width)
    most_tokens = _most_tokens_of_a_part(memory_bytes, token_width, threads)
    num_parts = parts or max(1, -(-num_tokens // most_tokens)) if most_tokens else MAX_PARTS + 1
    longest = -(-num_tokens // num_parts)
    if folder is not None:
        while num_parts <= MAX_PARTS:
            longest = longest_part(folder, token_width=token_width, num_parts=num_parts)
            if parts or longest <= most_tokens:
                break
            num_parts = max(num_parts + 1, min(MAX_PARTS, num_parts * 5 // 4))
    needed_bytes = sort_memory_bytes(longest, token_width, threads)
    if num_parts > 1:
        needed_bytes = max(needed_bytes, merge_memory_bytes(num_tokens, token_width, num_parts, threads))
    if num_parts > MAX_PARTS or longest > MAX_PART_TOKENS or needed_bytes > memory_bytes:
        raise MemoryBudgetError(_refusal(num_tokens, token_width, memory_bytes, threads, parts))
    temporary_bytes = num_parts * run_bytes(-(-num_tokens // num_parts)) if num_parts > 1 else 0
    return SortPlan(num_parts, needed_bytes, temporary_bytes, threads)


def remove_lone_table(folder: Path) -> None:
    """Removes the table of a shard that has its sidecars missing: they come before it, but a power cut may lose them.

    The shard is sorted or merged again, within the memory that this takes. To build the sidecars of the table that is
    there would look at the text at random, a read of the disk for each token where it does not stay in memory.
    """
    if (folder / TABLE).exists() and not all((folder / name).exists() for name in SIDECARS):
        (folder / TABLE).unlink()
        flush_directory(folder)


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
    """Sorts one part of the shard in ``folder``, if that is not done; the only part becomes the table.

    Its sidecars come with it. Runs of another number of parts, which an attempt with another budget left, are removed.

    Raises:
        SortError: the engine failed.
        EngineKilledError: its process was killed.
    """
    _remove_runs(folder, but_of=num_parts)
    if not (folder / TABLE).exists() and not (folder / _run_name(part, num_parts)).exists():
        options = (str(part), str(num_parts), str(int(accelerate)))
        _call("sort", folder, token_width, threads, options, advanced, held_open)


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
    """Merges the parts of the shard in ``folder`` into its table and sidecars, if that is not done.

    One part needs no merge. The text is held in memory if ``memory_bytes`` allow it.

    Raises:
        SortError: the engine failed.
        EngineKilledError: its process was killed.
    """
    if num_parts > 1 and not (folder / TABLE).exists():
        options = (str(num_parts), str(memory_bytes), str(int(accelerate)))
        _call("merge", folder, token_width, threads, options, advanced, held_open)
    _remove_runs(folder, but_of=0)


def _call(
    task: Literal["sort", "merge"],
    folder: Path,
    token_width: int,
    threads: int,
    options: Sequence[str],
    advanced: Callable[[int], None],
    held_open: Sequence[int],
) -> None:
    done = 0

    def heard(line: str) -> None:
        nonlocal done
        advanced(max(0, int(line) - done))
        done = max(done, int(line))

    try:
        call_engine(
            task,
            folder,
            token_width=token_width,
            num_threads=threads,
            heard=heard,
            held_open=held_open,
            options=options,
        )
    except EngineCallError as error:
        raise SortError(f"{folder}: the shard could not be sorted ({error})") from error


def _run_name(part: int, num_parts: int) -> str:
    return f"{_RUNS}{part:03d}-of-{num_parts:03d}"


def _remove_runs(folder: Path, *, but_of: int) -> None:
    for path in folder.glob(f"{_RUNS}*"):
        if not path.name.removesuffix(".tmp").endswith(f"-of-{but_of:03d}"):
            path.unlink(missing_ok=True)


def _threads_within(memory_bytes: int, threads: int, token_width: int) -> int:
    wanted = threads or len(os.sched_getaffinity(0))
    of_a_thread = sort_memory_bytes(0, token_width, 1) - sort_memory_bytes(0, token_width, 0)
    return max(1, min(wanted, int(memory_bytes * _SHARE_OF_THREADS) // of_a_thread))


def _most_tokens_of_a_part(memory_bytes: int, token_width: int, threads: int) -> int:
    of_a_token = (sort_memory_bytes(1 << 20, token_width, 0) - sort_memory_bytes(0, token_width, 0)) >> 20
    left = memory_bytes - sort_memory_bytes(0, token_width, threads)
    return max(0, min(MAX_PART_TOKENS, left // of_a_token))


def _refusal(num_tokens: int, token_width: int, memory_bytes: int, threads: int, parts: int | None) -> str:
    if parts is not None:
        longest = -(-num_tokens // parts)
        needed = max(
            sort_memory_bytes(longest, token_width, threads),
            merge_memory_bytes(num_tokens, token_width, parts, threads),
        )
        return (
            f"a shard of {num_tokens:,} tokens sorted in {parts} parts needs at least {format_bytes(needed)} of memory "
            f"(the build may use {format_bytes(memory_bytes)}), and parts of at most {MAX_PART_TOKENS:,} tokens; sort "
            "it in more parts (--parts), use more shards (--shards) or allow more memory (--memory)"
        )
    return (
        f"a shard of {num_tokens:,} tokens cannot be sorted in {format_bytes(memory_bytes)} of memory, not even in "
        f"{MAX_PARTS} parts of whole documents; use more shards (--shards) or allow more memory (--memory)"
    )
