from pathlib import Path
from typing import NamedTuple

import pytest

from indexing import acceleration_cost
from indexing.acceleration_cost import check_and_tell_cost
from indexing.budget import format_bytes, sidecar_bytes
from indexing.errors import DiskFullError, MemoryBudgetError
from indexing.progress import SilentProgress, Stages
from indexing.shard_files import ShardFiles
from suffix_engine import accelerate_memory_bytes

GIB = 1 << 30
TOKENS = 3_000_000_000


class Usage(NamedTuple):
    free: int


@pytest.fixture
def shard(tmp_path: Path) -> ShardFiles:
    """A shard of which only the size of its text is real, and that takes no disk."""
    with (tmp_path / "tokenized.0").open("wb") as file:
        file.truncate(TOKENS * 2)
    return ShardFiles(tmp_path, 0, 2, TOKENS)


def told(monkeypatch: pytest.MonkeyPatch, shards: list[ShardFiles], memory: int, disk: int) -> str:
    monkeypatch.setattr(acceleration_cost, "available_memory_bytes", lambda: memory)
    monkeypatch.setattr(acceleration_cost.shutil, "disk_usage", lambda folder: Usage(disk))
    stages = Stages(SilentProgress())
    check_and_tell_cost(shards, 2, stages)
    return "\n".join(stages.notes)


def test_memory_disk_and_time_are_told(shard: ShardFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = told(monkeypatch, [shard], 64 * GIB, 64 * GIB)
    disk = format_bytes(sidecar_bytes(TOKENS, 2))
    assert f"sidecars of 1 shard, 3,000,000,000 tokens: at most {disk} of disk (64 GiB free)" in notes
    assert "(64 GiB available), about 4 minutes" in notes
    assert len(notes.splitlines()) == 1


def test_a_text_that_does_not_stay_in_memory_is_said_to_take_longer(
    shard: ShardFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = accelerate_memory_bytes(TOKENS, 2)
    notes = told(monkeypatch, [shard], needed + 2 * GIB, 64 * GIB)
    assert "a text of 5.59 GiB does not stay in memory" in notes
    assert "hours" in notes


def test_too_little_memory_is_refused(shard: ShardFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = accelerate_memory_bytes(TOKENS, 2)
    with pytest.raises(MemoryBudgetError, match=r"the largest shard needs .* of memory, .* are available; free some"):
        told(monkeypatch, [shard], needed - 1, 64 * GIB)


def test_too_little_disk_is_refused_for_all_shards_together(shard: ShardFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = sidecar_bytes(TOKENS, 2)
    told(monkeypatch, [shard], 64 * GIB, needed)
    with pytest.raises(DiskFullError, match=f"the sidecars need {format_bytes(2 * needed)} of disk, "):
        told(monkeypatch, [shard, shard], 64 * GIB, 2 * needed - 1)


def test_disk_that_an_interrupted_attempt_took_is_not_asked_for_again(
    shard: ShardFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard.unfinished.write_bytes(b"x" * (1 << 20))
    told(monkeypatch, [shard], 64 * GIB, sidecar_bytes(TOKENS, 2) - (1 << 20))
