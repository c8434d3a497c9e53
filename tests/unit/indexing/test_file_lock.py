import os
from pathlib import Path

import pytest

from indexing.errors import IndexBusyError
from indexing.file_lock import file_lock


def test_who_comes_second_is_told_what_it_is_given_to_say(tmp_path: Path) -> None:
    busy = pytest.raises(IndexBusyError, match=r"^two$")
    with file_lock(tmp_path / "lock", "one"), busy, file_lock(tmp_path / "lock", "two", 0.0):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_lock_may_go_while_it_is_held(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with file_lock(tmp_path / "folder" / "lock", "busy"):
        os.unlink(tmp_path / "folder" / "lock")
        (tmp_path / "folder").rmdir()
    assert list(tmp_path.iterdir()) == []
