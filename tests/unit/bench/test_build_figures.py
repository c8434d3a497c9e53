"""The figures of the build and growth benches, from what was measured; and what counts as memory of a build."""

import sys
import time
from pathlib import Path

import numpy as np
import pytest

from bench.build import Text, figures
from bench.engine_sort import EngineSort, Step
from bench.growth import Grown, rate_loss
from bench.memory_kept import MemoryUse, is_rays_own
from bench.process_tree import TimeLimitError, run_watched
from indexing.sorting import SortPlan

MIB = 1 << 20


def sorted_in(*seconds: float, merge: float | None = None) -> EngineSort:
    sorts = tuple(Step(one, 100 * MIB) for one in seconds)
    return EngineSort(sorts, None if merge is None else Step(merge, 50 * MIB), 1_400)


def texts(copies_seconds: float = 3.0) -> list[Text]:
    plain = Text("plain", 100, sorted_in(2.0), sorted_in(1.0, 1.0, merge=2.5), 20.0)
    copies = Text("copies", 200, sorted_in(copies_seconds), sorted_in(5.0, 5.0, merge=8.0), 60.0, is_bound=True)
    near = Text("near", 100, sorted_in(2.0), sorted_in(2.0, 2.0, merge=2.3), 30.0)
    return [plain, copies, near]


def uses(peak_mib: int) -> list[MemoryUse]:
    return [MemoryUse("one", 1.0, 100 * MIB, 128 * MIB), MemoryUse("other", 1.0, peak_mib * MIB, 512 * MIB)]


def test_ratios_are_theirs_over_ours_and_slowdowns_a_token_the_worse_of_one_part_and_four() -> None:
    found = figures(texts(), 300 * MIB, sorted_in(1.0, 1.0, merge=4.0), uses(500))
    assert found["build_ratio"] == 10.0
    assert found["build_parts_ratio"] == pytest.approx(20 / 4.5)
    assert found["duplicates_build_ratio"] == 20.0
    assert found["duplicates_slowdown"] == pytest.approx(18 / 4.5 / 2)
    assert found["near_duplicates_slowdown"] == pytest.approx(6.3 / 4.5)
    assert found["merge_rate_ratio"] == 0.8
    assert found["merge_from_disk_rate_ratio"] == 0.5
    assert found["temporary_bytes_per_token"] == 14
    slow = figures(texts(copies_seconds=20.0), 300 * MIB, sorted_in(1.0, merge=4.0), uses(500))
    assert slow["duplicates_slowdown"] == 5.0


@pytest.mark.parametrize(("peak_mib", "overshoot"), [(500, 0.0), (640, 0.25)])
def test_overshoot_is_of_the_process_that_is_furthest_past_its_budget(peak_mib: int, overshoot: float) -> None:
    found = figures(texts(), 300 * MIB, sorted_in(1.0, merge=4.0), uses(peak_mib))
    assert found["memory_overshoot"] == overshoot


def grown(num_tokens: int, width: int, seconds: float) -> Grown:
    done = EngineSort((Step(seconds, MIB),), None, 0)
    return Grown(num_tokens, width, SortPlan(1, MIB, 0, 2), done, np.zeros(256, dtype=np.int64))


def test_rate_loss_is_of_the_slowest_size_of_the_worse_width() -> None:
    narrow = [grown(10, 2, 1.0), grown(100, 2, 9.0), grown(1_000, 2, 110.0)]
    wide = [grown(10, 4, 2.0), grown(100, 4, 25.0), grown(1_000, 4, 220.0)]
    assert rate_loss(narrow + wide) == pytest.approx(0.2)
    assert rate_loss([grown(10, 2, 1.0), grown(10, 4, 1.0)]) == 0


def test_rays_workers_count_and_its_daemons_do_not() -> None:
    ray = "/venv/site-packages/ray"
    for command in (
        "ray::IDLE",
        "ray::_call",
        f"python {ray}/_private/workers/default_worker.py",
        "python -c headwater",
    ):
        assert not is_rays_own(command)
    for command in (
        f"{ray}/core/src/ray/raylet/raylet --port=0",
        f"{ray}/core/src/ray/gcs/gcs_server --log_dir=/tmp",
        f"python -u {ray}/_private/log_monitor.py --logs-dir=/tmp",
        f"python -u {ray}/_private/runtime_env/agent/main.py --node-ip",
    ):
        assert is_rays_own(command)


def test_each_process_has_its_own_peak_even_if_it_is_over(tmp_path: Path) -> None:
    grow = "import time; held = bytearray(b'x') * (64 << 20); del held; time.sleep(1)"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grow!r}])"
    finished = run_watched([sys.executable, "-c", script], {"PATH": "/usr/bin:/bin"}, tmp_path / "log")
    parent, child = finished.processes
    assert parent.peak_bytes < 64 << 20 < child.peak_bytes
    assert "held" in child.command


def test_a_command_past_its_limit_is_ended_with_what_it_started(tmp_path: Path) -> None:
    wait = "import time, pathlib; time.sleep(2); pathlib.Path('alive').touch()"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {wait!r}], cwd={str(tmp_path)!r})"
    with pytest.raises(TimeLimitError, match="not done after 1 s"):
        run_watched([sys.executable, "-c", script], {"PATH": "/usr/bin:/bin"}, tmp_path / "log", limit_s=1)
    time.sleep(1.5)
    assert not (tmp_path / "alive").exists()
