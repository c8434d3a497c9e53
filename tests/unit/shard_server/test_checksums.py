"""Files are compared with what was published, in any size; the pause sees every byte."""

import errno
import hashlib
import os
from pathlib import Path

import pytest

from bench.page_cache import resident_pages
from shard_server import checksums
from shard_server.checksums import PublishedFile, check_files, damage_of
from shard_server.errors import DamagedFileError

BLOCK = 256 * 1024


def publish(path: Path, content: bytes) -> PublishedFile:
    path.write_bytes(content)
    return PublishedFile(path, hashlib.sha256(content).hexdigest(), 0)


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, 2 * BLOCK + 17])
def test_a_file_of_any_size_is_read_whole(tmp_path: Path, size: int) -> None:
    blocks: list[int] = []
    file = publish(tmp_path / "f", bytes(i % 251 for i in range(size)))
    assert damage_of(file, blocks.append) is None
    assert sum(blocks) == size
    assert max(blocks, default=0) <= BLOCK


def test_a_changed_a_shorter_and_a_missing_file_are_named(tmp_path: Path) -> None:
    file = publish(tmp_path / "f", b"abc")
    for content in (b"abd", b"ab"):
        file.path.write_bytes(content)
        assert f"{file.path}: content has sha256" in (damage_of(file) or "")
    file.path.unlink()
    with pytest.raises(DamagedFileError, match=r"f: cannot be read \(No such file or directory\)"):
        check_files([file], 1)


def test_a_file_that_cannot_be_read_is_no_damage_but_is_not_served_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    file = publish(tmp_path / "f", b"abc")
    monkeypatch.setattr(checksums, "_read", fail)
    with pytest.raises(OSError, match="Input/output error"):
        damage_of(file)
    with pytest.raises(DamagedFileError, match=r"f: cannot be read \(Input/output error\)"):
        check_files([file], 1)


def test_one_damaged_file_among_many_is_an_error(tmp_path: Path) -> None:
    files = [publish(tmp_path / str(number), bytes([number])) for number in range(20)]
    check_files(files, 3)
    files[13].path.write_bytes(b"x")
    with pytest.raises(DamagedFileError, match="/13: content"):
        check_files(files, 3)


@pytest.mark.skipif(not hasattr(os, "RWF_NOWAIT"), reason="this system cannot tell what is in the page cache")
def test_reading_leaves_the_page_cache_as_it_was(tmp_path: Path) -> None:
    file = publish(tmp_path / "f", bytes(8 * BLOCK))
    with file.path.open("rb+") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        if resident_pages(tmp_path)[0] > 0:
            pytest.skip("this file system keeps all its pages in memory")
        os.pread(opened.fileno(), 2 * BLOCK, 2 * BLOCK)
        before, _ = resident_pages(tmp_path)
        assert damage_of(file) is None
        after, pages = resident_pages(tmp_path)
    assert before == pages // 4
    assert after == before
