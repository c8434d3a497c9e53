import asyncio
from pathlib import Path

import pytest

from coordinator.cluster.takedown_file import TakedownFile
from coordinator.cluster.takedown_watch import TakedownWatch
from coordinator.errors import ConfigurationError
from coordinator.takedown_list import KeptTakedown
from index_format.takedowns import UrlTarget

FIRST = KeptTakedown("a", UrlTarget("https://x"))


@pytest.fixture
def file(tmp_path: Path) -> TakedownFile:
    file = TakedownFile(tmp_path / "takedowns.json")
    file.change(lambda _: (FIRST,), may_be_first=True)
    return file


def changed(watch: TakedownWatch) -> bool:
    return asyncio.run(watch.has_changed())


def test_a_change_is_seen_once(file: TakedownFile) -> None:
    watch = TakedownWatch(file.path)
    assert len(watch.takedowns.takedowns) == 1
    assert [changed(watch), changed(watch)] == [False, False]
    file.change(lambda _: ())
    assert [changed(watch), changed(watch)] == [True, False]
    assert len(watch.takedowns.takedowns) == 0


def test_a_file_that_is_written_again_with_the_same_content_is_no_change(file: TakedownFile) -> None:
    watch = TakedownWatch(file.path)
    assert not changed(watch)
    file.path.write_bytes(file.path.read_bytes())
    assert not changed(watch)


@pytest.mark.parametrize("is_noted", [True, False])
@pytest.mark.parametrize("fault", ["gone", "older", "other", "broken"])
def test_a_file_that_is_no_later_list_changes_nothing_is_told_once_and_may_come_back(
    file: TakedownFile, fault: str, is_noted: bool, caplog: pytest.LogCaptureFixture
) -> None:
    older = file.path.read_bytes()
    file.change(lambda _: ())
    watch = TakedownWatch(file.path)
    good = file.path.read_bytes()
    if not is_noted:  # the file lies on another disk now, say
        file.path.with_name("takedowns.json.lock").unlink()
    if fault == "gone":
        file.path.unlink()
    else:
        file.path.write_bytes({"older": older, "other": older.replace(b'"epoch": 1', b'"epoch": 2')}.get(fault, b"{"))
    assert [changed(watch), changed(watch)] == [False, False]
    assert watch.takedowns.epoch == 2
    assert not watch.is_in_force
    (record,) = caplog.records
    assert record.message == "takedown file not obeyed, the list before stays in force"
    reason = {
        "gone": f"found no file, {'and takedowns number 2 was written here' if is_noted else 'expected epoch 2'}",
        "older": f"found epoch 1, {'and takedowns number 2 was written here' if is_noted else 'expected epoch 2'}",
        "other": "found another list with epoch 2, expected epoch 2",
        "broken": "cannot read",
    }
    assert reason[fault] in record.__dict__["reason"]
    file.path.write_bytes(good)
    file.change(lambda _: (FIRST,))
    assert changed(watch)
    assert watch.is_in_force


def test_a_file_that_was_away_for_a_moment_is_in_force_again(file: TakedownFile) -> None:
    watch = TakedownWatch(file.path)
    assert not changed(watch)
    assert watch.is_in_force
    away = file.path.rename(file.path.with_name("away"))
    assert not changed(watch)
    assert not watch.is_in_force
    away.rename(file.path)
    assert not changed(watch)
    assert watch.is_in_force


def test_a_start_with_a_broken_file_is_refused(file: TakedownFile) -> None:
    file.path.write_bytes(b"{")
    with pytest.raises(ConfigurationError, match="cannot read the takedown file"):
        TakedownWatch(file.path)
