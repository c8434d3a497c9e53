import errno
import os
from pathlib import Path

import pytest

import indexing.output
from indexing.errors import DiskFullError, OutputError
from indexing.output import output_directory


def fill(path: Path, error: BaseException | None = None) -> None:
    with output_directory(path) as output:
        (output.create_shard(0) / "tokenized.0").write_bytes(b"x")
        output.create_file("index.json").write_bytes(b"{}")
        if error is not None:
            raise error


def test_what_the_body_writes_stays(tmp_path: Path) -> None:
    fill(tmp_path / "new" / "index")
    assert sorted(path.name for path in (tmp_path / "new" / "index").iterdir()) == ["index.json", "shard_00000"]


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(1)])
def test_after_any_exception_nothing_of_it_is_left(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)):
        fill(tmp_path / "new" / "index", error)
    assert list(tmp_path.iterdir()) == []


def test_the_entry_of_every_new_folder_is_flushed_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[tuple[Path, list[str]]] = []
    monkeypatch.setattr(
        indexing.output,
        "flush_directory",
        lambda folder: flushed.append((folder, [entry.name for entry in folder.iterdir()])),
    )
    fill(tmp_path / "new" / "index")
    index = tmp_path / "new" / "index"
    assert flushed == [(tmp_path, ["new"]), (tmp_path / "new", ["index"]), (index, ["shard_00000"])]


def test_a_file_that_cannot_be_removed_neither_hides_the_error_nor_keeps_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlink = Path.unlink

    def refuse_manifest(path: Path, missing_ok: bool = False) -> None:
        if path.name == "index.json":
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(path))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse_manifest)
    with pytest.raises(ValueError, match="the first error"):
        fill(tmp_path / "index", ValueError("the first error"))
    assert [path.name for path in (tmp_path / "index").iterdir()] == ["index.json"]


def test_an_empty_directory_that_was_there_stays_and_is_empty_again(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="x"):
        fill(tmp_path, ValueError("x"))
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_not_empty_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(OutputError, match="the directory is not empty"):
        fill(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_file_in_the_place_of_the_directory_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    for path in (tmp_path / "mine", tmp_path / "mine" / "below"):
        with pytest.raises(OutputError, match="cannot create the index there"):
            fill(path)
    assert (tmp_path / "mine").read_text() == "x"


def test_a_second_build_into_the_same_directory_leaves_the_first_alone(tmp_path: Path) -> None:
    with output_directory(tmp_path / "index") as first:
        (first.create_shard(0) / "tokenized.0").write_bytes(b"x")
        with pytest.raises(OutputError, match="holds an unfinished index; if no build is at work on it, remove it"):
            fill(tmp_path / "index")
        with pytest.raises(OutputError, match="does another build write to"):
            first.create_shard(0)
    assert (tmp_path / "index" / "shard_00000" / "tokenized.0").read_bytes() == b"x"


def test_running_out_of_disk_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(DiskFullError, match="no room left on the disk"):
        fill(tmp_path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    with pytest.raises(OutputError, match="cannot write the index"):
        fill(tmp_path, OSError(errno.EIO, os.strerror(errno.EIO)))
    assert list(tmp_path.iterdir()) == []
