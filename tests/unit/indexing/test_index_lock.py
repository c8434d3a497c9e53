import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from indexing.errors import IndexBusyError, OutputError
from indexing.index_lock import LOCK_FILE, index_lock


def test_a_second_holder_is_refused_and_the_first_leaves_no_file(tmp_path: Path) -> None:
    with index_lock(tmp_path):
        busy = pytest.raises(IndexBusyError, match="another 'headwater index accelerate' is at work on this index")
        with busy, index_lock(tmp_path):
            pass
        assert (tmp_path / LOCK_FILE).exists()
    assert list(tmp_path.iterdir()) == []
    with index_lock(tmp_path):
        pass


def test_a_file_that_a_dead_process_left_locks_nothing(tmp_path: Path) -> None:
    (tmp_path / LOCK_FILE).touch()
    with index_lock(tmp_path):
        pass


def test_the_lock_is_held_until_the_last_process_that_shares_it_ends(tmp_path: Path) -> None:
    waiting = [sys.executable, "-c", "input()"]
    with index_lock(tmp_path) as lock:
        child = subprocess.Popen(waiting, stdin=subprocess.PIPE, pass_fds=[lock])
        kept = os.open(tmp_path / LOCK_FILE, os.O_RDWR)
        os.link(tmp_path / LOCK_FILE, tmp_path / "kept")
    # As after the death of the holder: its descriptor is closed, the file is still there.
    os.rename(tmp_path / "kept", tmp_path / LOCK_FILE)
    os.close(kept)
    with pytest.raises(IndexBusyError), index_lock(tmp_path):
        pass
    child.communicate(b"\n")
    with index_lock(tmp_path):
        pass


def test_no_file_of_an_index_is_named_by_a_word_of_infini_gram() -> None:
    assert not any(word in LOCK_FILE for word in ("tokenized", "table", "offset", "metadata", "metaoff", "unigram"))


def test_a_file_system_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with (
        pytest.raises(OutputError, match=r"accelerate\.lock: cannot lock .* \(No locks available\)"),
        index_lock(tmp_path),
    ):
        pass
