"""What building sidecars takes of memory, disk and time: checked and told before it begins."""

import os
import shutil
from collections import defaultdict
from collections.abc import Sequence

from index_format.layout import TOKENIZED
from indexing.budget import available_memory_bytes, format_bytes, sidecar_bytes
from indexing.errors import DiskFullError, MemoryBudgetError
from indexing.progress import Stages
from indexing.shard_files import ShardFiles
from suffix_engine import accelerate_memory_bytes

# Of one core of a virtual machine, the text in the page cache: measured on 298 million tokens (docs/indexing.md).
_TOKENS_A_SECOND = 7_000_000
# Of one thread, which waits for each: a solid-state disk takes about 100 microseconds to answer.
_READS_A_SECOND = 10_000


def check_and_tell_cost(shards: Sequence[ShardFiles], threads: int, stages: Stages) -> None:
    """Notes what building the sidecars of ``shards`` takes; 0 threads means one a core.

    Raises:
        MemoryBudgetError, DiskFullError: there is too little.
    """
    memory_bytes = max(accelerate_memory_bytes(shard.num_tokens, shard.token_width) for shard in shards)
    available_bytes = available_memory_bytes()
    if memory_bytes > available_bytes:
        raise MemoryBudgetError(
            f"building the sidecars of the largest shard needs {format_bytes(memory_bytes)} of memory, "
            f"{format_bytes(available_bytes)} are available; free some"
        )
    disk_bytes, free_bytes = _check_disks(shards)
    cache_bytes = available_bytes - memory_bytes
    num_tokens = sum(shard.num_tokens for shard in shards)
    seconds = sum(_seconds(shard, cache_bytes) for shard in shards) / (threads or len(os.sched_getaffinity(0)))
    stages.note(
        f"sidecars of {len(shards)} {'shard' if len(shards) == 1 else 'shards'}, {num_tokens:,} tokens: at most "
        f"{format_bytes(disk_bytes)} of disk ({format_bytes(free_bytes)} free), {format_bytes(memory_bytes)} of memory "
        f"({format_bytes(available_bytes)} available), {_duration(seconds)}"
    )
    largest = max(_text_bytes(shard) for shard in shards)
    if largest > cache_bytes:
        stages.note(
            f"a text of {format_bytes(largest)} does not stay in memory, and is read in the table's order: a token "
            f"that is not there costs a read, of which {_READS_A_SECOND:,} a second and thread are assumed"
        )


def _seconds(shard: ShardFiles, cache_bytes: int) -> float:
    """Returns about how long a shard takes on one thread if ``cache_bytes`` of its text stay in memory."""
    text_bytes = _text_bytes(shard)
    missing = max(0.0, 1 - cache_bytes / text_bytes)
    return shard.num_tokens * (1 / _TOKENS_A_SECOND + missing / _READS_A_SECOND)


def _check_disks(shards: Sequence[ShardFiles]) -> tuple[int, int]:
    """Returns the bytes that the sidecars still take, and those free on the fullest of the disks that they go to."""
    needed: dict[int, int] = defaultdict(int)
    free: dict[int, int] = {}
    for shard in shards:
        disk = shard.folder.stat().st_dev
        kept = _allocated_bytes(shard)
        needed[disk] += max(0, sidecar_bytes(shard.num_tokens, shard.token_width) - kept)
        free[disk] = shutil.disk_usage(shard.folder).free
        if needed[disk] > free[disk]:
            raise DiskFullError(
                f"{shard.folder}: the sidecars need {format_bytes(needed[disk])} of disk, "
                f"{format_bytes(free[disk])} are free; free some, or accelerate some shards first (--shard)"
            )
    return sum(needed.values()), min(free.values())


def _allocated_bytes(shard: ShardFiles) -> int:
    """Returns what an interrupted attempt has taken of the disk already."""
    try:
        return os.stat(shard.unfinished).st_blocks * 512
    except FileNotFoundError:
        return 0


def _text_bytes(shard: ShardFiles) -> int:
    return shard.path(TOKENIZED).stat().st_size


def _duration(seconds: float) -> str:
    if seconds < 60:
        return "less than a minute"
    if seconds < 2 * 3600:
        return f"about {seconds / 60:.0f} minutes"
    return f"about {seconds / 3600:,.0f} hours"
