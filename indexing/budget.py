"""Whether a build fits into memory and onto the disk, asked before the work that would be lost."""

import math
import resource
import shutil
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path

import psutil

from index_format.layout import MAX_SHARDS
from indexing.documents import DocumentFields
from indexing.errors import DiskFullError, MemoryBudgetError, PlanError
from indexing.estimate import least_tokens
from indexing.plan import BuildPlan, RawBytes
from indexing.shard_writer import OPEN_FILES, writer_memory_bytes
from indexing.sources import Corpus
from indexing.writing import WrittenShard
from suffix_engine import fan_out_bytes, sort_memory_bytes

_SHARE_OF_AVAILABLE = 0.8
# A page of 4,096 bytes of the fan-out takes at most 150 bytes of the directory.
_DIRECTORY_SHARE = 25
_ROOT = Path("/")
# Open besides the shards: the standard streams, a source, libraries.
_OTHER_OPEN_FILES = 64
# Every tokenizer that loses no text has an entry a byte.
_LEAST_VOCABULARY = 256


def memory_budget(asked_bytes: int | None) -> int:
    """Returns the memory that writing and sorting shards may use: what was asked for, or 80 % of what is available."""
    return asked_bytes if asked_bytes is not None else int(available_memory_bytes() * _SHARE_OF_AVAILABLE)


def available_memory_bytes(root: Path = _ROOT) -> int:
    """Returns the memory that this process can still take: of the machine, or of its control group if that has less.

    ``root`` is where ``proc`` and ``sys`` are looked for.
    """
    available = psutil.virtual_memory().available
    return min([available, *_available_in_control_groups(root)])


def check_before_start(plan: BuildPlan, corpus: Corpus, budget_bytes: int) -> None:
    """Checks what is known before anything is read: open files, and by a low estimate memory and disk.

    Raises:
        PlanError: the shards need more open files than this process may have.
        MemoryBudgetError, DiskFullError: the build would end without memory or disk.
        SourceError: a file that the estimate looked into cannot be read.
    """
    _check_open_files(plan.shards)
    fields = DocumentFields(plan.text_field, ())
    num_tokens = least_tokens(corpus, fields, plan.tokenizer)
    width = 1 if isinstance(plan.tokenizer, RawBytes) else 2
    check_memory(num_tokens, plan.shards, width, _LEAST_VOCABULARY, budget_bytes, estimated=True)
    check_writers(plan.shards, _LEAST_VOCABULARY, budget_bytes)
    needed_bytes = num_tokens * width + table_bytes(num_tokens, width)
    if plan.accelerate:
        needed_bytes += sidecar_bytes(num_tokens, width)
    check_disk(plan.output, needed_bytes, estimated=True)


def check_writers(num_shards: int, vocab_size: int, budget_bytes: int) -> None:
    """Checks that all shards can be written side by side within the budget.

    Raises:
        MemoryBudgetError: they cannot; says how many could.
    """
    needed_bytes = num_shards * writer_memory_bytes(vocab_size)
    if needed_bytes <= budget_bytes:
        return
    most = _most_writers(vocab_size, budget_bytes)
    advice = f"use at most {most} shards (--shards {most}), or " if most else ""
    raise MemoryBudgetError(
        f"writing {num_shards} shards with a vocabulary of {vocab_size:,} entries needs {format_bytes(needed_bytes)} "
        f"of memory, the build may use {format_bytes(budget_bytes)}; "
        f"{advice}allow more memory (--memory)"
    )


def check_after_writing(
    plan: BuildPlan, shards: Sequence[WrittenShard], width: int, vocab_size: int, budget_bytes: int
) -> None:
    """Checks, now that every token is counted, that the shards can be sorted and accelerated.

    Raises:
        MemoryBudgetError, DiskFullError: they cannot.
    """
    largest = max(shard.num_tokens for shard in shards)
    check_memory(largest * len(shards), len(shards), width, vocab_size, budget_bytes, estimated=False)
    needed_bytes = sum(table_bytes(shard.num_tokens, width) for shard in shards)
    if plan.accelerate:
        needed_bytes += sum(sidecar_bytes(shard.num_tokens, width) for shard in shards)
    check_disk(plan.output, needed_bytes, estimated=False)


def check_memory(
    num_tokens: int, num_shards: int, token_width: int, vocab_size: int, budget_bytes: int, *, estimated: bool
) -> None:
    """Checks that the largest of ``num_shards`` shards can be sorted within the budget; building sidecars takes less.

    Raises:
        MemoryBudgetError: it cannot; says how many shards would do, if so many can be written side by side.
    """

    def needed_bytes(shards: int) -> int:
        return sort_memory_bytes(math.ceil(num_tokens / shards), token_width)

    if needed_bytes(num_shards) <= budget_bytes:
        return
    most = min(MAX_SHARDS, _most_writers(vocab_size, budget_bytes))
    enough = bisect_left(range(1, MAX_SHARDS + 1), True, key=lambda shards: needed_bytes(shards) <= budget_bytes) + 1
    advice = f"use at least {enough} shards (--shards {enough}), or " if enough <= most else ""
    kind = "probably at least " if estimated else ""
    raise MemoryBudgetError(
        f"a shard of {kind}{math.ceil(num_tokens / num_shards):,} tokens needs "
        f"{format_bytes(needed_bytes(num_shards))} of memory to sort, the build may use {format_bytes(budget_bytes)}; "
        f"{advice}allow more memory (--memory)"
    )


def check_disk(directory: Path, needed_bytes: int, *, estimated: bool) -> None:
    """Checks that the disk that holds, or will hold, ``directory`` has room for ``needed_bytes`` more.

    Raises:
        DiskFullError: it has not.
    """
    existing = directory.absolute()
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    if needed_bytes > free:
        kind = "probably at least " if estimated else ""
        raise DiskFullError(
            f"{directory}: the index needs {kind}{format_bytes(needed_bytes)} of disk, {format_bytes(free)} are free; "
            "free some, or choose another disk with --out"
        )


def table_bytes(num_tokens: int, token_width: int) -> int:
    """Returns the size of the suffix array of a shard: as few bytes an entry as hold every offset of its text."""
    text_bytes = num_tokens * token_width
    return num_tokens * max(1, math.ceil(math.log2(max(2, text_bytes)) / 8))


def sidecar_bytes(num_tokens: int, token_width: int) -> int:
    """Returns the most disk that the two sidecars of a shard take."""
    size = fan_out_bytes(num_tokens, token_width)
    return size + size // _DIRECTORY_SHARE


def format_bytes(size: int) -> str:
    """Returns a size for people: three digits and a binary unit."""
    amount = float(size)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if amount < 1000:
            return f"{size} bytes" if unit == "bytes" else f"{amount:.3g} {unit}"
        amount /= 1024
    return f"{amount:,.3g} TiB"


def _most_writers(vocab_size: int, budget_bytes: int) -> int:
    """Returns how many shards can be written side by side."""
    return budget_bytes // writer_memory_bytes(vocab_size)


def _check_open_files(num_shards: int) -> None:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = num_shards * OPEN_FILES + _OTHER_OPEN_FILES
    if limit != resource.RLIM_INFINITY and needed > limit:
        raise PlanError(
            f"{num_shards} shards need {needed} open files, this process may have {limit}; "
            f"raise the limit (ulimit -n {needed}) or use fewer shards"
        )


def _available_in_control_groups(root: Path) -> list[int]:
    """Returns what each memory limit that holds for this process leaves (cgroup v1 and v2)."""
    left = []
    for directory, limit_name, usage_name, cache_name in _control_groups(root):
        limit = _number_in(directory / limit_name)
        usage = _number_in(directory / usage_name)
        if limit is not None and usage is not None:
            # The kernel drops cached file pages before it refuses memory.
            left.append(max(0, limit - max(0, usage - _inactive_file_bytes(directory, cache_name))))
    return left


def _control_groups(root: Path) -> list[tuple[Path, str, str, str]]:
    """Returns the folders of this process's memory control groups, outermost too, with the names of their files."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    groups = []
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            mount, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            mount = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        group = mount / path.lstrip("/")
        # A limit of any group above holds as well; inside a container only the mount itself may be visible.
        groups += [(folder, *names) for folder in (group, *group.parents) if folder.is_relative_to(mount)]
    return groups


def _inactive_file_bytes(directory: Path, name: str) -> int:
    try:
        lines = (directory / "memory.stat").read_text().splitlines()
    except OSError:
        return 0
    fields: Sequence[Sequence[str]] = [line.split() for line in lines]
    return next((int(field[1]) for field in fields if len(field) == 2 and field[0] == name), 0)


def _number_in(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None  # no such file, or "max": no limit
