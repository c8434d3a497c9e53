import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import indexing.budget
from indexing.assembling import assembling_memory_bytes
from indexing.budget import (
    available_memory_bytes,
    check_before_start,
    check_tokenized,
    check_tokenizer,
    disk_needs,
    memory_budget,
)
from indexing.disk_needs import DiskNeeds, check_disk, format_bytes, sidecar_bytes, table_bytes
from indexing.errors import DiskFullError, MemoryBudgetError
from indexing.plan import BuildPlan, RawBytes
from indexing.sources import find_corpus
from suffix_engine import accelerate_memory_bytes, fan_out_bytes, sort_memory_bytes

MIB = 1 << 20
VOCABULARY = 32_000


def fake_root(directory: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return directory


def test_what_was_asked_for_is_the_budget() -> None:
    assert memory_budget(5) == 5


def test_without_an_answer_the_budget_is_less_than_what_is_available() -> None:
    assert 0 < memory_budget(None) < available_memory_bytes()


def test_a_limit_of_control_group_version_two_is_respected(tmp_path: Path) -> None:
    root = fake_root(
        tmp_path,
        {
            "proc/self/cgroup": "0::/job/step\n",
            "sys/fs/cgroup/job/memory.max": f"{10 * MIB}\n",
            "sys/fs/cgroup/job/memory.current": f"{4 * MIB}\n",
            "sys/fs/cgroup/job/memory.stat": f"anon 1\ninactive_file {1 * MIB}\n",
            "sys/fs/cgroup/job/step/memory.max": "max\n",
            "sys/fs/cgroup/job/step/memory.current": "1\n",
        },
    )
    assert available_memory_bytes(root) == 7 * MIB


def test_a_limit_of_control_group_version_one_is_respected(tmp_path: Path) -> None:
    root = fake_root(
        tmp_path,
        {
            "proc/self/cgroup": "8:cpu:/x\n4:memory:/not/visible/here\n0::/\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{3 * MIB}\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{1 * MIB}\n",
        },
    )
    assert available_memory_bytes(root) == 2 * MIB


def test_without_control_groups_the_machine_counts(tmp_path: Path) -> None:
    assert available_memory_bytes(tmp_path) > 100 * MIB


@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize("num_tokens", [100, 1_000_000, 3_000_000_000])
def test_a_shard_that_can_be_sorted_can_be_accelerated(num_tokens: int, width: int) -> None:
    assert accelerate_memory_bytes(num_tokens, width) <= sort_memory_bytes(num_tokens, width, 1)


def plan_of(tmp_path: Path, **fields: Any) -> BuildPlan:
    (tmp_path / "a.txt").write_text("x" * 100_000)
    return BuildPlan(
        **{"sources": (tmp_path / "a.txt",), "output": tmp_path / "out", "tokenizer": RawBytes(), **fields}
    )


def test_less_memory_than_a_process_takes_is_refused_at_once(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    check_before_start(plan, find_corpus(plan.sources), 256 * MIB)
    with pytest.raises(MemoryBudgetError, match=r"may use 10 MiB of memory, the least .* is 256 MiB; allow more"):
        check_before_start(plan, find_corpus(plan.sources), 10 * MIB)


def test_a_vocabulary_whose_counts_do_not_fit_is_refused() -> None:
    needed = assembling_memory_bytes(VOCABULARY)
    check_tokenizer(VOCABULARY, needed)
    with pytest.raises(MemoryBudgetError, match=r"vocabulary of 32,000 entries needs .*; allow more memory"):
        check_tokenizer(VOCABULARY, needed - 1)


def test_a_disk_is_checked_for_all_that_is_on_it_at_its_fullest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(tmp_path)
    needs = disk_needs(1_000_000, 2, 1000, 50_000, plan, 1 << 30, at_once=1)
    assert needs.peak_bytes == max(needs.chunk_bytes + needs.core_bytes, needs.index_bytes + needs.run_bytes)
    free = needs.peak_bytes
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    check_tokenized(plan, needs, [tmp_path / "none"])
    free -= 1
    with pytest.raises(DiskFullError, match=r"the index needs \S+ MiB of disk, \S+ MiB are free"):
        check_tokenized(plan, needs, [tmp_path / "none"])
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "text").write_bytes(b"x")
    check_tokenized(plan, needs, [tmp_path / "there"])


def test_temporary_files_on_another_disk_are_asked_of_that_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(tmp_path, work_dir=tmp_path / "work")
    needs = disk_needs(1_000_000, 2, 1000, 50_000, plan, 1 << 30, at_once=1)
    asked = {}
    monkeypatch.setattr(indexing.budget, "on_one_disk", lambda one, other: False)
    monkeypatch.setattr(indexing.budget, "check_disk", lambda path, size, estimated: asked.update({path: size}))
    check_tokenized(plan, needs, [])
    assert asked == {tmp_path / "work": needs.chunk_bytes, tmp_path / "out": needs.index_bytes + needs.run_bytes}


def test_the_table_and_the_text_are_counted_for_every_shard() -> None:
    needs = DiskNeeds.of(1000, 2, 10, 500, num_shards=3, run_bytes=7, accelerate=False)
    assert needs.core_bytes == needs.chunk_bytes == 2000 + 160 + 500
    assert needs.table_bytes == 3 * table_bytes(334, 2)
    assert needs.temporary_bytes == needs.chunk_bytes
    accelerated = DiskNeeds.of(1000, 2, 10, 500, num_shards=3, run_bytes=7, accelerate=True)
    assert accelerated.table_bytes == needs.table_bytes + 3 * sidecar_bytes(334, 2)


def test_a_disk_without_room_is_named_before_the_directory_exists(tmp_path: Path) -> None:
    check_disk(tmp_path / "not" / "yet", 1, estimated=True)
    with pytest.raises(DiskFullError, match=r"not/yet: the index needs probably at least .*TiB of disk"):
        check_disk(tmp_path / "not" / "yet", 1 << 60, estimated=True)


def test_sidecars_take_the_disk_of_the_fan_out_and_a_little_more() -> None:
    assert fan_out_bytes(1_000_000, 2) < sidecar_bytes(1_000_000, 2) < 1.05 * fan_out_bytes(1_000_000, 2)


@pytest.mark.parametrize(
    ("num_tokens", "width", "pointer_width"), [(100, 1, 1), (129, 2, 2), (1 << 31, 2, 4), ((1 << 31) + 1, 2, 5)]
)
def test_a_table_entry_holds_every_offset_in_as_few_bytes_as_it_can(
    num_tokens: int, width: int, pointer_width: int
) -> None:
    assert table_bytes(num_tokens, width) == num_tokens * pointer_width


def test_sizes_are_written_for_people() -> None:
    assert [format_bytes(size) for size in (0, 999, 1024, 5 * MIB, 3 << 40)] == [
        "0 bytes",
        "999 bytes",
        "1 KiB",
        "5 MiB",
        "3 TiB",
    ]
