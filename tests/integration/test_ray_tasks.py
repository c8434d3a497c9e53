"""Tasks of builds on Ray: side by side, again when their worker dies, and what goes wrong in them comes here."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from indexing.errors import BadDocumentError, BuildWorkerError
from indexing.ray_tasks import RayTasks, ray_tasks
from indexing.tasks import Task
from tests import ray_work

# Ray takes some 6 s to start on idle cores, and several times that on busy ones. The warnings are its own.
pytestmark = [pytest.mark.timeout(300), pytest.mark.filterwarnings("ignore")]

MIB = 1 << 20
WORKERS = 2


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work") / "tasks"


@pytest.fixture(scope="module")
def runner(files: Path) -> Iterator[RayTasks]:
    with ray_tasks(WORKERS, None, 1024 * MIB, files) as started:
        yield started


def task(function: Any, *arguments: Any, amount: int = 1, cores: int = 1, memory_bytes: int = 100 * MIB) -> Task[Any]:
    return Task(function.__name__, function, arguments, amount, cores, memory_bytes)


def run(runner: RayTasks, *tasks: Task[Any]) -> tuple[list[Any], list[int]]:
    advanced: list[int] = []
    return list(runner.run(tasks, advanced.append)), advanced


def most_at_once(results: list[tuple[int, float, float]]) -> int:
    return max(sum(began <= moment < ended for _, began, ended in results) for _, moment, _ in results)


def test_tasks_run_side_by_side_and_tell_what_they_did(runner: RayTasks, tmp_path: Path) -> None:
    pairs = (("a", "b"), ("b", "a"), ("c", "d"), ("d", "c"))
    tasks = [task(ray_work.meet, tmp_path, *pair, amount=amount) for amount, pair in enumerate(pairs, 1)]
    results, advanced = run(runner, *tasks)
    assert most_at_once(results) == WORKERS
    assert sorted(advanced) == [1, 2, 3, 4]


def test_a_task_that_takes_a_machine_runs_alone(runner: RayTasks) -> None:
    results, _ = run(runner, *[task(ray_work.process_of, 0.2, cores=0)] * 2)
    assert most_at_once(results) == runner.at_once == 1


def test_tasks_that_do_not_fit_into_memory_together_run_one_after_another(runner: RayTasks) -> None:
    assert runner.memory_bytes == 1024 * MIB
    results, _ = run(runner, *[task(ray_work.process_of, 0.2, memory_bytes=600 * MIB)] * 2)
    assert most_at_once(results) == 1


def test_a_task_that_fits_on_no_machine_is_refused_and_does_not_wait(runner: RayTasks) -> None:
    with pytest.raises(BuildWorkerError, match=r"offers 1 cores and .* bytes of memory, the most .*; lower --memory"):
        run(runner, task(ray_work.process_of, 0.0, memory_bytes=1025 * MIB))


def test_a_task_whose_worker_dies_is_run_again(runner: RayTasks, tmp_path: Path) -> None:
    assert run(runner, task(ray_work.die_until, tmp_path, 2)) == ([3], [1])


def test_a_task_whose_worker_always_dies_is_given_up_and_named(runner: RayTasks, tmp_path: Path) -> None:
    given_up = pytest.raises(BuildWorkerError, match=r"die_until: its worker died 4 times .*the same command goes on")
    with given_up:
        run(runner, task(ray_work.die_until, tmp_path, 100), task(ray_work.process_of, 60.0))
    assert len(list(tmp_path.iterdir())) == 4


def test_what_a_task_finds_wrong_is_raised_as_it_was(runner: RayTasks, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with pytest.raises(BadDocumentError) as bad:
        run(runner, task(ray_work.find_a_bad_line, path))
    assert (bad.value.path, bad.value.linenum, str(bad.value)) == (path, 6, f"{path}:7: not valid JSON")
    with pytest.raises(OSError, match="No space left on device") as full:
        run(runner, task(ray_work.fill_the_disk, path))
    assert full.value.filename == str(path)


def test_a_fault_of_ours_is_raised_with_the_trace_of_the_worker(runner: RayTasks) -> None:
    with pytest.raises(ZeroDivisionError, match="fail_by_a_fault_of_ours"):
        run(runner, task(ray_work.fail_by_a_fault_of_ours))


def test_when_a_task_fails_the_others_are_ended(runner: RayTasks, tmp_path: Path) -> None:
    with pytest.raises(BadDocumentError):
        run(runner, task(ray_work.process_of, 300.0), task(ray_work.find_a_bad_line, tmp_path))
    # The two meet only where both workers are free again.
    run(runner, task(ray_work.meet, tmp_path, "a", "b"), task(ray_work.meet, tmp_path, "b", "a"))


def test_a_task_tells_what_it_did_on_its_way_and_begins_at_zero_if_its_worker_dies(
    runner: RayTasks, files: Path, tmp_path: Path
) -> None:
    advanced: list[int] = []

    def hear(amount: int) -> None:
        advanced.append(amount)
        (tmp_path / str(amount)).touch()

    assert list(runner.run([task(ray_work.tell_and_die_once, tmp_path, amount=100)], hear)) == [None]
    assert advanced == [60, -60, 80, 20]
    assert list(files.iterdir()) == []


def test_once_a_task_has_failed_no_other_goes_on_writing_and_its_error_is_the_one_told(
    runner: RayTasks, files: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with pytest.raises(BadDocumentError):
        run(runner, task(ray_work.go_on, log, amount=10_000), task(ray_work.fail_once_begun, log))
    written = log.stat().st_size
    assert list(files.iterdir()) == []
    time.sleep(1)
    assert log.stat().st_size == written


def test_who_takes_no_more_results_ends_the_tasks(runner: RayTasks, tmp_path: Path) -> None:
    log = tmp_path / "log"
    results = runner.run([task(ray_work.process_of, 0.5), task(ray_work.go_on, log, amount=10_000)], lambda _: None)
    next(results)
    results.close()
    written = log.stat().st_size if log.exists() else 0
    time.sleep(1)
    assert (log.stat().st_size if log.exists() else 0) == written


def test_a_task_whose_file_somebody_removed_says_so(runner: RayTasks, files: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"

    def remove(amount: int) -> None:
        for file in files.iterdir():
            file.unlink()

    with pytest.raises(BuildWorkerError, match=r"go_on: .* is gone, .*the folder has to be the same on every machine"):
        list(runner.run([task(ray_work.go_on, log, amount=10_000)], remove))


def test_an_address_without_a_cluster_is_an_error() -> None:
    # In a process of its own: this one is connected to the Ray of the other tests.
    imports = "from pathlib import Path\nfrom indexing.ray_tasks import ray_tasks\n"
    script = f"{imports}with ray_tasks(2, '127.0.0.1:1', 1 << 30, Path('tasks')): pass\n"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=200)
    assert "BuildWorkerError: 127.0.0.1:1: cannot connect to a Ray cluster there" in done.stderr
