import hashlib
import time
from pathlib import Path

import pytest

from index_format.manifest import FileEntry
from indexing.checksums import PublishedFile, hashing


def published(path: Path, content: bytes) -> PublishedFile:
    path.write_bytes(content)
    return PublishedFile(path, FileEntry(len(content), hashlib.sha256(content).hexdigest()), "copy it again")


def test_files_that_changed_are_named_in_order_whatever_their_size(tmp_path: Path) -> None:
    files = [published(tmp_path / str(number), b"x" * (number * 1000)) for number in range(5)]
    for number in (1, 4):
        files[number].path.write_bytes(b"y")
    told: list[int] = []
    with hashing(files, 2, told.append) as results:
        found = results()
    assert [Path(str(problem).split(":")[0]).name for problem in found] == ["1", "4"]
    assert "content has sha256" in str(found[0])
    assert str(found[0]).endswith("the file has changed or is damaged, copy it again")
    assert sum(told) == 2000 + 3000 + 2


def test_a_file_that_cannot_be_read_is_a_problem_like_any_other(tmp_path: Path) -> None:
    file = published(tmp_path / "gone", b"x")
    file.path.unlink()
    with hashing([file], 1, lambda _: None) as results:
        assert "cannot be read (No such file or directory); copy it again" in str(results()[0])


def test_hashing_ends_at_once_when_the_body_does(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 40)  # takes no room on disk, and a quarter of an hour to read
    large = PublishedFile(tmp_path / "large", FileEntry(1 << 40, ""), "")
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), hashing([large, large], 1, lambda _: None):
        raise KeyboardInterrupt
    assert time.monotonic() - started < 30
