import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

import indexing.output
from index_format.layout import BUILD_FILE
from indexing.build_journal import BuildJournal
from indexing.errors import (
    DiskFullError,
    EmptyCorpusError,
    IndexBusyError,
    OutputError,
    PlanError,
    UnfinishedBuildError,
)
from indexing.output import build_directory

ASKED = BuildJournal("0123456789abcdef", {"command": "build", "shards": 1}, {"a.txt": (3, "1")})


def fill(
    path: Path, error: BaseException | None = None, *, unit: bool = False, asked: BuildJournal = ASKED
) -> list[str]:
    """Builds in ``path``: publishes, or raises ``error``, after a unit was finished if so wished. Returns the notes."""
    notes: list[str] = []
    with build_directory(path, asked, notes.append) as build:
        assert not build.continued
        folder = build.shard(0)
        if unit:
            finish_a_unit(build.chunk(0))
        if error is not None:
            raise error
        (folder / "tokenized.0").write_bytes(b"x")
        (path / "index.json").write_bytes(b"{}")
        build.finish()
    return notes


def finish_a_unit(folder: Path) -> None:
    folder.mkdir()
    (folder / "chunk.json").write_bytes(b"{}")


def interrupt(path: Path, error: BaseException | None = None, asked: BuildJournal = ASKED) -> None:
    """Leaves an unfinished build in ``path``."""
    error = error or KeyboardInterrupt()
    with pytest.raises(type(error)):
        fill(path, error, unit=True, asked=asked)


def names(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def test_of_a_finished_build_only_the_index_stays(tmp_path: Path) -> None:
    fill(tmp_path / "new" / "index")
    assert names(tmp_path / "new" / "index") == ["index.json", "shard_00000"]


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(1)])
def test_if_nothing_was_finished_nothing_is_left(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)):
        fill(tmp_path / "new" / "index", error)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(1)])
def test_what_was_finished_is_kept_and_found_again(tmp_path: Path, error: BaseException) -> None:
    interrupt(tmp_path / "index", error)
    assert names(tmp_path / "index") == ["build.json", "shard_00000", "work"]
    notes: list[str] = []
    with build_directory(tmp_path / "index", replace(ASKED, build_id="other"), notes.append) as build:
        assert build.continued
        assert build.journal == ASKED
        assert (build.chunk(0) / "chunk.json").exists()
        (tmp_path / "index" / "index.json").write_bytes(b"{}")
        build.finish()
    assert notes == [f"{tmp_path / 'index'}: going on with a build that was interrupted"]


def test_who_is_interrupted_is_told_how_to_go_on(tmp_path: Path) -> None:
    notes: list[str] = []
    with pytest.raises(KeyboardInterrupt), build_directory(tmp_path, ASKED, notes.append) as build:
        finish_a_unit(build.chunk(0))
        raise KeyboardInterrupt
    assert notes == [f"{tmp_path}: what is done is kept; run the same command to go on, or remove it to give up"]


@pytest.mark.parametrize("error", [PlanError("x"), EmptyCorpusError("x")])
def test_what_cannot_succeed_on_this_corpus_is_not_kept(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)):
        fill(tmp_path / "new" / "index", error, unit=True)
    assert list(tmp_path.iterdir()) == []


def test_another_build_does_not_go_on_from_it(tmp_path: Path) -> None:
    interrupt(tmp_path)
    other = replace(ASKED, options={**ASKED.options, "shards": 2}, sources={"a.txt": (4, "1")})
    with pytest.raises(UnfinishedBuildError) as raised:
        fill(tmp_path, asked=other)
    message = str(raised.value)
    assert "shards: 1 there, 2 asked for; source a.txt: changed since (3 bytes then, 4 now)" in message
    assert "--fresh" in message
    assert names(tmp_path) == ["build.json", "shard_00000", "work"]


def test_a_fresh_build_begins_anew_whatever_is_found(tmp_path: Path) -> None:
    other = replace(ASKED, build_id="f" * 16, options={"command": "build", "shards": 2})
    for found in (None, b"{}", b"no JSON"):
        interrupt(tmp_path, asked=other)
        if found is not None:
            (tmp_path / BUILD_FILE).write_bytes(found)
            with pytest.raises(OutputError, match="not the journal of an unfinished build that this version reads"):
                fill(tmp_path)
        with pytest.raises(KeyboardInterrupt), build_directory(tmp_path, ASKED, print, fresh=True) as build:
            assert names(tmp_path) == ["build.json", "build.lock", "work"]
            assert json.loads((tmp_path / BUILD_FILE).read_bytes())["build_id"] == ASKED.build_id
            assert not build.has_work()
            raise KeyboardInterrupt
        assert names(tmp_path) == []


def test_temporary_files_go_where_they_are_wanted_and_are_found_there(tmp_path: Path) -> None:
    index, work = tmp_path / "index", tmp_path / "fast" / "disk"
    with pytest.raises(KeyboardInterrupt), build_directory(index, ASKED, print, work_dir=work) as build:
        finish_a_unit(build.chunk(0))
        raise KeyboardInterrupt
    assert names(work) == [f"headwater-{ASKED.build_id}"]
    assert names(index) == ["build.json"]
    with build_directory(index, replace(ASKED, build_id="other"), print, work_dir=work) as build:
        assert (build.chunk(0) / "chunk.json").exists()
        (index / "index.json").touch()
        build.finish()
    assert (names(work), names(index)) == ([], ["index.json"])


def test_a_build_that_ended_between_publishing_and_clearing_up_is_cleared_up(tmp_path: Path) -> None:
    interrupt(tmp_path)
    (tmp_path / "index.json").write_bytes(b"{}")
    with build_directory(tmp_path, ASKED, print) as build:
        assert build.is_published
        assert build.continued
        build.finish()
    assert names(tmp_path) == ["index.json", "shard_00000"]


@pytest.mark.parametrize("fresh", [False, True])
def test_such_an_index_is_no_place_for_another_build(tmp_path: Path, fresh: bool) -> None:
    interrupt(tmp_path)
    (tmp_path / "index.json").write_bytes(b"{}")
    other = replace(ASKED, options={"command": "build", "shards": 2})
    refused = pytest.raises(OutputError, match="the directory is not empty, it holds an index")
    with refused, build_directory(tmp_path, other, print, fresh=fresh):
        pass
    assert names(tmp_path) == ["build.json", "index.json", "shard_00000", "work"]


def test_shards_that_are_added_leave_those_before_them_alone(tmp_path: Path) -> None:
    fill(tmp_path)
    added = replace(ASKED, options={"command": "add"})
    with pytest.raises(ValueError, match="x"), build_directory(tmp_path, added, print, first_shard=1) as build:
        assert not build.is_published
        build.shard(1)
        assert not build.has_work()
        raise ValueError("x")
    assert names(tmp_path) == ["index.json", "shard_00000"]
    with pytest.raises(ValueError, match="x"), build_directory(tmp_path, added, print, first_shard=1) as build:
        (build.shard(1) / "tokenized.0").write_bytes(b"x")
        assert build.has_work()
        raise ValueError("x")
    assert names(tmp_path) == ["build.json", "index.json", "shard_00000", "shard_00001", "work"]
    with build_directory(tmp_path, added, print, first_shard=1, fresh=True) as build:
        assert names(tmp_path) == ["build.json", "build.lock", "index.json", "shard_00000", "work"]
        build.finish()
    assert (tmp_path / "shard_00000" / "tokenized.0").exists()


def test_the_entry_of_every_new_folder_is_flushed_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[tuple[Path, set[str]]] = []
    monkeypatch.setattr(
        indexing.output,
        "flush_directory",
        lambda folder: flushed.append((folder, {entry.name for entry in folder.iterdir()})),
    )
    fill(tmp_path / "new" / "index")
    index = tmp_path / "new" / "index"
    assert flushed[:2] == [(tmp_path, {"new"}), (tmp_path / "new", {"index"})]
    assert any(folder == index and "shard_00000" in content for folder, content in flushed[2:])


def test_a_directory_that_was_there_stays(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="x"):
        fill(tmp_path, ValueError("x"))
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_not_empty_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    for fresh in (False, True):
        refused = pytest.raises(OutputError, match="the directory is not empty")
        with refused, build_directory(tmp_path, ASKED, print, fresh=fresh):
            pass
    assert names(tmp_path) == ["mine"]


def test_a_file_in_the_place_of_the_directory_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    for path in (tmp_path / "mine", tmp_path / "mine" / "below"):
        with pytest.raises(OutputError, match="cannot create the index there"):
            fill(path)
    assert (tmp_path / "mine").read_text() == "x"


def test_shards_that_no_journal_tells_of_are_refused(tmp_path: Path) -> None:
    (tmp_path / "shard_00000").mkdir()
    with pytest.raises(OutputError, match="holds an unfinished index; if no build is at work on it, remove it"):
        fill(tmp_path)
    assert names(tmp_path) == ["shard_00000"]


def test_a_second_build_in_the_same_directory_leaves_the_first_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with build_directory(tmp_path / "index", ASKED, print) as first:
        (first.shard(0) / "tokenized.0").write_bytes(b"x")
        for fresh in (False, True):
            busy = pytest.raises(IndexBusyError, match="another build is at work in this directory")
            with busy, build_directory(tmp_path / "index", ASKED, print, fresh=fresh):
                pass
        assert (tmp_path / "index" / "shard_00000" / "tokenized.0").read_bytes() == b"x"
        (tmp_path / "index" / "index.json").touch()
        first.finish()


@pytest.mark.parametrize(
    ("unit", "advice"), [(False, "what was written is removed"), (True, "what is done is kept: free some")]
)
def test_running_out_of_disk_is_said_so(tmp_path: Path, unit: bool, advice: str) -> None:
    with pytest.raises(DiskFullError, match=rf"no room left on the disk \(.*\); {advice}"):
        fill(tmp_path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), unit=unit)
    assert bool(names(tmp_path)) == unit


def test_a_disk_that_fails_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write the index"):
        fill(tmp_path, OSError(errno.EIO, os.strerror(errno.EIO)))
    assert list(tmp_path.iterdir()) == []
