import resource
from pathlib import Path

import pytest

from indexing.budget import (
    available_memory_bytes,
    check_before_start,
    check_disk,
    check_memory,
    check_writers,
    format_bytes,
    memory_budget,
    sidecar_bytes,
    table_bytes,
)
from indexing.errors import DiskFullError, MemoryBudgetError, PlanError
from indexing.plan import BuildPlan, RawBytes
from indexing.shard_writer import writer_memory_bytes
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


def test_the_largest_shard_must_fit() -> None:
    needed = sort_memory_bytes(1000, 2)
    check_memory(4000, 4, 2, VOCABULARY, needed, estimated=False)
    with pytest.raises(MemoryBudgetError, match=r"a shard of 1,000 tokens needs .* to sort, the build may"):
        check_memory(4000, 4, 2, VOCABULARY, needed - 1, estimated=False)


@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize("num_tokens", [100, 1_000_000, 3_000_000_000])
def test_a_shard_that_can_be_sorted_can_be_accelerated(num_tokens: int, width: int) -> None:
    assert accelerate_memory_bytes(num_tokens, width) <= sort_memory_bytes(num_tokens, width)


def test_the_number_of_shards_that_it_advises_is_enough() -> None:
    num_tokens, budget = 10_000_000, 100 * MIB
    with pytest.raises(MemoryBudgetError) as raised:
        check_memory(num_tokens, 1, 2, VOCABULARY, budget, estimated=True)
    advised = int(str(raised.value).partition("--shards ")[2].partition(")")[0])
    assert "probably at least" in str(raised.value)
    check_memory(num_tokens, advised, 2, VOCABULARY, budget, estimated=True)


def test_a_budget_that_no_number_of_shards_meets_gets_no_such_advice() -> None:
    with pytest.raises(MemoryBudgetError, match=r"may use 1 KiB; allow more memory \(--memory\)"):
        check_memory(10_000_000, 1, 2, VOCABULARY, 1 << 10, estimated=False)


def test_a_number_of_shards_that_would_not_fit_while_they_are_written_is_not_advised() -> None:
    # In 80 MiB they would have to be sorted in 215 shards, and those take 268 MiB to write.
    with pytest.raises(MemoryBudgetError, match=r"may use 80 MiB; allow more memory \(--memory\)"):
        check_memory(600_000_000, 1, 2, VOCABULARY, 80 * MIB, estimated=False)


def test_all_shards_must_fit_while_they_are_written() -> None:
    needed = 100 * writer_memory_bytes(VOCABULARY)
    check_writers(100, VOCABULARY, needed)
    with pytest.raises(
        MemoryBudgetError, match=r"writing 100 shards .* needs .* of memory.*; use at most 99 shards \(--sh"
    ):
        check_writers(100, VOCABULARY, needed - 1)


def test_a_vocabulary_that_fits_into_no_shard_gets_no_advice_on_shards() -> None:
    with pytest.raises(MemoryBudgetError, match=r"writing 1 shards .* may use 64 MiB; allow more memory"):
        check_writers(1, 10_000_000, 64 * MIB)


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


def test_more_shards_than_open_files_allow_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    plan = BuildPlan(sources=(tmp_path,), output=tmp_path / "out", tokenizer=RawBytes(), shards=min(limit, 100_000))
    with pytest.raises(PlanError, match=rf"shards need \d+ open files, this process may have {limit}"):
        check_before_start(plan, find_corpus([tmp_path]), 1 << 40)
