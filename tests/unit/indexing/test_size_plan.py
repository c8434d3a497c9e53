import math
from dataclasses import replace

import pytest

from indexing import size_plan
from indexing.disk_needs import DiskNeeds, sidecar_bytes, table_bytes
from indexing.errors import MemoryBudgetError, PlanError
from indexing.measured_rates import MEASURED_RATES
from indexing.size_plan import CorpusSize, Machines, plan_size
from indexing.sorting import SortPlan

TERA = 10**12
NODE = Machines(nodes=1, cores=64, memory_bytes=500 * 10**9)
RATES = replace(MEASURED_RATES, tokenize=1e6, sort=1e7, merge=5e6, hash_bytes=1e9, disk_bytes=1e12)


@pytest.fixture(autouse=True)
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sorts in as many parts as fit at 10 bytes a token, with runs of 6 bytes a token; never more than 1,000."""

    def plan_sort(num_tokens: int, token_width: int, memory_bytes: int, threads: int, parts: int | None) -> SortPlan:
        needed = math.ceil(10 * num_tokens / memory_bytes)
        if needed > 1000:
            raise MemoryBudgetError("too many parts")
        return SortPlan(needed, memory_bytes, 0 if needed == 1 else 6 * num_tokens, threads)

    monkeypatch.setattr(size_plan, "plan_sort", plan_sort)
    monkeypatch.setattr(size_plan, "merge_memory_bytes", lambda *arguments: 250 * 10**9)


def hours(plan: size_plan.SizePlan) -> dict[str, float]:
    return {stage.stage: stage.hours for stage in plan.stages}


def test_sizes_are_those_that_the_build_checks() -> None:
    corpus = CorpusSize(10**9, 2, 10**6, 10**8)
    plan = plan_size(corpus, NODE, 4)
    needs = DiskNeeds.of(10**9, 2, 10**6, 10**8, num_shards=4, run_bytes=0, accelerate=True)
    assert (plan.index_bytes, plan.peak_bytes, plan.temporary_bytes) == (
        needs.index_bytes,
        needs.peak_bytes,
        needs.temporary_bytes,
    )
    sizes = {file.name: file.size_bytes for file in plan.files}
    assert sizes["tokenized"] == 2 * 10**9
    assert sizes["table"] == 4 * table_bytes(25 * 10**7, 2)
    assert sizes["fanout"] + sizes["directory, at most"] == 4 * sidecar_bytes(25 * 10**7, 2)
    assert sum(file.size_bytes for file in plan.files if not file.is_temporary) == needs.index_bytes


def test_the_advised_shards_are_the_fewest_whose_text_stays_in_memory() -> None:
    corpus = CorpusSize.of_tokens(TERA, 4)
    plan = plan_size(corpus, NODE)
    assert plan.shards == plan.advised_shards == math.ceil(corpus.num_tokens * 4 / (250 * 10**9))
    assert not plan.notes
    fewer = plan_size(corpus, NODE, plan.shards - 2)
    assert "does not stay in memory" in fewer.notes[0]
    assert hours(fewer)["merge"] > 2 * hours(plan)["merge"]
    assert "random reads" in {stage.stage: stage.bound_by for stage in fewer.stages}["merge"]


def test_nodes_share_the_work_evenly() -> None:
    corpus = CorpusSize.of_tokens(TERA, 2)
    one = plan_size(corpus, NODE, 12, rates=RATES)
    four = plan_size(corpus, replace(NODE, nodes=4), 12, rates=RATES)
    assert one.hours == pytest.approx(4 * four.hours)
    assert plan_size(corpus, replace(NODE, nodes=4)).shards % 4 == 0
    uneven = plan_size(corpus, replace(NODE, nodes=4), 13, rates=RATES)
    assert hours(uneven)["sort"] == pytest.approx(hours(four)["sort"] * 16 / 13)
    assert "leaves nodes idle" in uneven.notes[-1]
    assert "2 of the nodes sort nothing" in plan_size(corpus, replace(NODE, nodes=14), 12).notes[-1]


def test_hours_follow_from_the_rates() -> None:
    corpus = CorpusSize(36 * 10**9, 2, 10**6, 10**8)
    machines = Machines(1, 10, 10**12)
    plan = plan_size(corpus, machines, 1, rates=RATES)
    assert plan.parts == 1
    found = hours(plan)
    assert found["tokenize"] == pytest.approx(1)
    assert found["sort"] == pytest.approx(0.1)
    assert "merge" not in found
    in_parts = plan_size(corpus, replace(machines, memory_bytes=340 * 10**9), 1, rates=RATES)
    assert in_parts.parts == 2
    assert hours(in_parts)["merge"] == pytest.approx(0.2)
    duplicated = plan_size(corpus, replace(machines, memory_bytes=340 * 10**9), 1, has_duplicates=True, rates=RATES)
    assert hours(duplicated)["merge"] == pytest.approx(36e9 / RATES.merge_duplicates / 10 / 3600)
    slow_disk = plan_size(corpus, machines, 1, rates=replace(RATES, disk_bytes=1e6))
    assert {stage.bound_by for stage in slow_disk.stages} == {"disk"}


def test_runs_are_of_the_shards_that_are_sorted_at_a_time() -> None:
    corpus = CorpusSize(10**12, 2, 1, 0)
    runs = [plan_size(corpus, replace(NODE, nodes=nodes), 10).files[-1].size_bytes for nodes in (1, 5, 20)]
    assert runs == [6 * 10**11, 5 * 6 * 10**11, 6 * 10**12]


def test_what_does_not_fit_says_how_many_shards_are_advised() -> None:
    with pytest.raises(MemoryBudgetError, match=r"too many parts; with 1 shards, \d+ are advised for this memory"):
        plan_size(CorpusSize.of_tokens(4_600_000_000_000, 4), Machines(1, 1, 10**9), 1)


@pytest.mark.parametrize(("width", "shards"), [(3, 1), (2, 0), (2, 100_001)])
def test_what_cannot_be_is_refused(width: int, shards: int) -> None:
    with pytest.raises(PlanError, match="expected"):
        plan_size(CorpusSize(1000, width, 1, 1), NODE, shards)


def test_a_machine_without_cores_is_refused() -> None:
    with pytest.raises(PlanError, match="0 cores"):
        Machines(1, 0, 1)
