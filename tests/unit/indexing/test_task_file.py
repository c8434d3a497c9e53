from pathlib import Path

import pytest

import indexing.task_file
from indexing.task_file import NobodyWaitsError, TaskFileWriter, amount_done, make_task_file


class Clock:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(indexing.task_file, "monotonic", clock)
    return clock


def test_what_is_done_is_written_at_most_once_a_second(tmp_path: Path, clock: Clock) -> None:
    file = make_task_file(tmp_path)
    assert amount_done(file) is None
    advanced = TaskFileWriter(file)
    assert amount_done(file) == 0
    advanced(5)
    assert amount_done(file) == 0
    clock.seconds += 1
    advanced(1_000_000)
    assert amount_done(file) == 1_000_005
    advanced(1)
    assert amount_done(file) == 1_000_005


def test_a_task_that_is_begun_again_begins_at_zero(tmp_path: Path, clock: Clock) -> None:
    file = make_task_file(tmp_path)
    advanced = TaskFileWriter(file)
    clock.seconds += 1
    advanced(70)
    assert amount_done(file) == 70
    TaskFileWriter(file)
    assert amount_done(file) == 0


def test_a_task_that_nobody_waits_for_ends(tmp_path: Path, clock: Clock) -> None:
    file = make_task_file(tmp_path)
    advanced = TaskFileWriter(file)
    file.unlink()
    advanced(1)  # not looked at yet
    clock.seconds += 1
    with pytest.raises(NobodyWaitsError):
        advanced(1)
    with pytest.raises(NobodyWaitsError):
        TaskFileWriter(file)
    assert not file.exists()


def test_a_disk_that_fails_does_not_end_a_task(tmp_path: Path, clock: Clock) -> None:
    file = tmp_path / "folder"
    file.mkdir()  # opened, it is an error other than that there is nothing
    advanced = TaskFileWriter(file)
    clock.seconds += 1
    advanced(1)
    assert amount_done(file) is None


def test_every_task_has_a_file_of_its_own(tmp_path: Path) -> None:
    assert len({make_task_file(tmp_path) for _ in range(10)}) == len(list(tmp_path.iterdir())) == 10
