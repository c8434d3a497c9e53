"""Whether a build fits into memory and onto the disk, asked before the work that would be lost."""

import math
from collections.abc import Sequence
from pathlib import Path

import psutil

from indexing.assembling import assembling_memory_bytes
from indexing.disk_needs import (
    DiskNeeds,
    check_disk,
    format_bytes,
    on_one_disk,
    sidecar_bytes,
    table_bytes,
    tree_bytes,
)
from indexing.documents import DocumentFields
from indexing.errors import MemoryBudgetError
from indexing.estimate import least_tokens
from indexing.plan import BuildPlan, RawBytes
from indexing.sorting import plan_sort
from indexing.sources import Corpus

__all__ = [
    "available_memory_bytes",
    "check_before_start",
    "check_disk",
    "check_tokenized",
    "check_tokenizer",
    "disk_needs",
    "format_bytes",
    "memory_budget",
    "sidecar_bytes",
    "table_bytes",
]

_SHARE_OF_AVAILABLE = 0.8
_ROOT = Path("/")
# What a process that tokenizes takes at most, Python and its packages included (docs/indexing.md).
TOKENIZING_BYTES = 512 << 20
# ... and at least.
_LEAST_BYTES = 256 << 20


def memory_budget(asked_bytes: int | None) -> int:
    """Returns the memory that a process of a build may use: what was asked for, or 80 % of what is available."""
    return asked_bytes if asked_bytes is not None else int(available_memory_bytes() * _SHARE_OF_AVAILABLE)


def available_memory_bytes(root: Path = _ROOT) -> int:
    """Returns the memory that this process can still take: of the machine, or of its control group if that has less.

    ``root`` is where ``proc`` and ``sys`` are looked for.
    """
    available = psutil.virtual_memory().available
    return min([available, *_available_in_control_groups(root)])


def check_before_start(plan: BuildPlan, corpus: Corpus, budget_bytes: int) -> DiskNeeds:
    """Checks what is known before anything is read, by a low estimate, and returns the disk that will be needed.

    Raises:
        MemoryBudgetError, DiskFullError: the build would end without memory or disk.
        SourceError: a file that the estimate looked into cannot be read.
    """
    if budget_bytes < _LEAST_BYTES:
        raise MemoryBudgetError(
            f"the processes of a build may use {format_bytes(budget_bytes)} of memory, the least they can do with is "
            f"{format_bytes(_LEAST_BYTES)}; allow more (--memory)"
        )
    num_tokens = least_tokens(corpus, DocumentFields(plan.text_field, (), ids=plan.ids_field), plan.tokenizer)
    width = 1 if isinstance(plan.tokenizer, RawBytes) else 2
    needs = disk_needs(num_tokens, width, 0, 0, plan, budget_bytes, at_once=1)
    _check_disks(plan, needs, [plan.output], estimated=True)
    return needs


def check_tokenizer(vocab_size: int, budget_bytes: int) -> None:
    """Checks that the tokens of a vocabulary can be counted within the budget.

    Raises:
        MemoryBudgetError: they cannot.
    """
    needed_bytes = assembling_memory_bytes(vocab_size)
    if needed_bytes > budget_bytes:
        raise MemoryBudgetError(
            f"counting the tokens of a vocabulary of {vocab_size:,} entries needs {format_bytes(needed_bytes)} of "
            f"memory, a process of the build may use {format_bytes(budget_bytes)}; allow more memory (--memory)"
        )


def check_tokenized(plan: BuildPlan, needs: DiskNeeds, present: Sequence[Path]) -> None:
    """Checks, now that every token is counted, that the rest of the build has room beside what is in ``present``.

    Raises:
        DiskFullError: it has not.
    """
    _check_disks(plan, needs, present, estimated=False)


def disk_needs(
    num_tokens: int,
    token_width: int,
    num_documents: int,
    line_bytes: int,
    plan: BuildPlan,
    budget_bytes: int,
    *,
    at_once: int,
) -> DiskNeeds:
    """Returns the disk that a corpus of this size needs, ``at_once`` of its shards being sorted at a time.

    Raises:
        MemoryBudgetError: a shard cannot be sorted within the budget, in however many parts.
    """
    in_shard = math.ceil(num_tokens / plan.shards)
    sorting = plan_sort(in_shard, token_width, budget_bytes, plan.threads, plan.parts)
    return DiskNeeds.of(
        num_tokens,
        token_width,
        num_documents,
        line_bytes,
        num_shards=plan.shards,
        run_bytes=sorting.temporary_bytes * min(at_once, plan.shards),
        accelerate=plan.accelerate,
    )


def _check_disks(plan: BuildPlan, needs: DiskNeeds, present: Sequence[Path], *, estimated: bool) -> None:
    present_bytes = sum(map(tree_bytes, present))
    if plan.work_dir is None or on_one_disk(plan.work_dir, plan.output):
        check_disk(plan.output, needs.peak_bytes - present_bytes, estimated=estimated)
        return
    check_disk(plan.work_dir, needs.chunk_bytes - present_bytes, estimated=estimated)
    check_disk(plan.output, needs.peak_without_chunks - present_bytes, estimated=estimated)


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
