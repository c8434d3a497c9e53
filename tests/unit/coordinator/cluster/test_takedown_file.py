import os
import threading
from pathlib import Path

import pytest

from coordinator.cluster import takedown_file
from coordinator.cluster.takedown_file import TakedownFile
from coordinator.errors import ConfigurationError
from coordinator.takedown_list import NO_TAKEDOWNS, KeptTakedown, TakedownList
from index_format.takedowns import UrlTarget

Takedowns = tuple[KeptTakedown, ...]


def takedown(id_: str) -> KeptTakedown:
    return KeptTakedown(id_, UrlTarget(f"https://x/{id_}"))


def test_a_file_that_is_not_there_holds_none(tmp_path: Path) -> None:
    file = TakedownFile(tmp_path / "takedowns.json")
    assert file.read() == NO_TAKEDOWNS
    assert file.stamp() is None


def test_a_change_is_read_back_with_a_larger_number_and_another_stamp(tmp_path: Path) -> None:
    file = TakedownFile(tmp_path / "takedowns.json")
    first = file.change(lambda _: (takedown("a"),), may_be_first=True)
    stamp = file.stamp()
    second = file.change(lambda before: (*before, takedown("b")))
    assert (first.epoch, second.epoch) == (1, 2)
    assert file.read() == second
    assert [one.id for one in second.takedowns] == ["a", "b"]
    assert file.stamp() != stamp


def test_a_change_to_what_is_there_already_changes_nothing(tmp_path: Path) -> None:
    file = TakedownFile(tmp_path / "takedowns.json")
    first = file.change(lambda _: (takedown("a"),), may_be_first=True)
    stamp = file.stamp()
    assert file.change(lambda before: tuple(before)) == first
    assert file.stamp() == stamp


def test_a_file_that_was_restored_is_right_again_once_somebody_says_so(tmp_path: Path) -> None:
    file = TakedownFile(tmp_path / "takedowns.json")
    file.change(lambda _: (takedown("a"),), may_be_first=True)
    old = file.path.read_bytes()
    for name in "bcd":
        file.change(lambda before: (*before, takedown(name)))  # noqa: B023 - called at once
    file.path.write_bytes(old)
    for call in (file.read, lambda: file.change(lambda before: (*before, takedown("e")))):
        with pytest.raises(
            ConfigurationError, match=r"found epoch 1, and takedowns number 4 was written here; restore"
        ):
            call()
    assert file.path.read_bytes() == old
    assert file.renumber(41).epoch == 42
    file.path.write_bytes(old)
    assert file.renumber(0).epoch == 43
    assert [one.id for one in file.change(lambda before: (*before, takedown("e"))).takedowns] == ["a", "e"]


def test_a_file_that_is_gone_is_not_begun_anew_unseen(tmp_path: Path) -> None:
    file = TakedownFile(tmp_path / "takedowns.json")
    with pytest.raises(ConfigurationError, match=r"found no file, expected a list of takedowns; .*--new"):
        file.change(lambda _: (takedown("a"),))
    file.change(lambda _: (takedown("a"),), may_be_first=True)
    file.path.unlink()
    for call in (file.read, lambda: file.change(lambda _: (takedown("b"),), may_be_first=True)):
        with pytest.raises(ConfigurationError, match=r"found no file, and takedowns number 1 was written here"):
            call()
    assert not file.path.exists()
    assert (file.renumber(0).epoch, file.read().takedowns) == (2, ())


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    file = TakedownFile(tmp_path / "takedowns.json")
    file.change(lambda _: (takedown("a"),), may_be_first=True)
    file.path.chmod(0o644)
    file.change(lambda before: (*before, takedown("b")))
    assert [path.stat().st_mode & 0o777 for path in sorted(tmp_path.iterdir())] == [0o600, 0o600]


def test_a_change_that_is_refused_changes_nothing(tmp_path: Path) -> None:
    file = TakedownFile(tmp_path / "takedowns.json")
    file.change(lambda _: (takedown("a"),), may_be_first=True)
    before = file.path.read_bytes()

    def refuse(_: Takedowns) -> Takedowns:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        file.change(refuse)
    assert file.path.read_bytes() == before


def test_a_file_that_is_broken_is_neither_obeyed_nor_overwritten(tmp_path: Path) -> None:
    file = TakedownFile(tmp_path / "takedowns.json")
    file.path.write_text('{"version": 1')
    for call in (file.read, lambda: file.change(lambda before: before)):
        with pytest.raises(ConfigurationError, match=r"takedowns\.json: cannot read the takedown file"):
            call()
    assert file.path.read_text() == '{"version": 1'


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_file_older_than_what_is_in_force_is_not_changed(tmp_path: Path, is_gone: bool) -> None:
    file = TakedownFile(tmp_path / "takedowns.json")
    backup = file.path.with_name("backup")
    file.change(lambda _: (takedown("a"),), may_be_first=True)
    backup.write_bytes(file.path.read_bytes())
    in_force = file.change(lambda before: (*before, takedown("b"))).epoch
    if is_gone:
        file.path.unlink()
    else:
        backup.replace(file.path)
    (tmp_path / "takedowns.json.lock").unlink()  # another machine's
    before = file.read()
    with pytest.raises(ConfigurationError, match="takedowns number 2 is in force; restore the file"):
        file.change(lambda before: (*before, takedown("c")), latest=in_force, may_be_first=True)
    assert file.read() == before


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot write the takedown file"):
        TakedownFile(tmp_path / "missing" / "takedowns.json").change(lambda _: (), may_be_first=True)


@pytest.mark.parametrize(
    ("fails", "told"), [("_note", "its number is not noted"), ("flush_directory", "a crash of the machine may undo it")]
)
def test_a_list_that_is_in_place_is_never_told_as_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fails: str, told: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    file = TakedownFile(tmp_path / "takedowns.json")
    file.change(lambda _: (takedown("a"),), may_be_first=True)
    with monkeypatch.context() as patch:
        patch.setattr(*((file, fails) if fails == "_note" else (takedown_file, fails)), full)
        after = file.change(lambda before: (*before, takedown("b")))
    assert (after.epoch, file.read(), TakedownFile(file.path).read()) == (2, after, after)
    assert [told in record.message for record in caplog.records] == [True]


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_a_list_that_cannot_be_put_in_place_has_not_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    file = TakedownFile(tmp_path / "takedowns.json")
    first = file.change(lambda _: (takedown("a"),), may_be_first=True)
    with monkeypatch.context() as patch:
        patch.setattr(*((os, fails) if fails == "fsync" else (Path, fails)), full)
        with pytest.raises(ConfigurationError, match=r"No space left on device.*it has not changed"):
            file.change(lambda before: (*before, takedown("b")))
    assert (file.read(), TakedownFile(file.path).read()) == (first, first)


def test_what_a_killed_writer_left_is_no_hindrance(tmp_path: Path) -> None:
    file = TakedownFile(tmp_path / "takedowns.json")
    (tmp_path / "takedowns.json.tmp").write_text("half")
    assert file.change(lambda _: (takedown("a"),), may_be_first=True).epoch == 1


def test_a_list_that_is_written_while_one_is_read_makes_none_look_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, other = (TakedownFile(tmp_path / "takedowns.json") for _ in range(2))
    first = other.change(lambda _: (takedown("a"),), may_be_first=True)
    read = file._read

    def read_and_written() -> TakedownList:
        found = read()
        other.change(lambda before: (*before, takedown("b")))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(file, "_read", read_and_written)
        assert file.read() == first
    assert file.read().epoch == 2


def test_changes_at_once_are_all_kept(tmp_path: Path) -> None:
    def add(name: str) -> None:
        file = TakedownFile(tmp_path / "takedowns.json")
        for number in range(10):
            file.change(
                lambda before: (*before, takedown(f"{name}{number}")),  # noqa: B023 - called at once
                may_be_first=True,
            )

    threads = [threading.Thread(target=add, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = TakedownFile(tmp_path / "takedowns.json").read()
    assert kept.epoch == 40
    assert len(kept.takedowns) == 40
