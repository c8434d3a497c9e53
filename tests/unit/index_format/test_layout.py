from pathlib import Path

import pytest

from index_format.errors import PathNameError
from index_format.layout import CORE_FILES, MAX_SHARDS, SIDECARS, check_path_name, numbered, shard_folder


def test_shard_folders_sort_as_their_numbers_do():
    numbers = [0, 2, 10, 99, 100, MAX_SHARDS - 1]
    assert [shard_folder(number) for number in numbers] == sorted(shard_folder(number) for number in numbers)


def test_shard_folders_pass_their_own_check():
    check_path_name(Path("/indexes") / shard_folder(7))


def test_sidecars_are_no_core_files_to_infini_gram():
    for name in SIDECARS:
        check_path_name(Path("/indexes") / name)


def test_the_files_of_several_shards_in_one_folder_differ_in_their_number():
    assert [numbered(name, 12) for name in (*CORE_FILES[:2], *SIDECARS)] == [
        "tokenized.12",
        "table.12",
        "fanout.12",
        "directory.12",
    ]
    assert numbered(CORE_FILES[0], 0) == CORE_FILES[0]


@pytest.mark.parametrize("word", ["tokenized", "table", "offset", "metadata", "metaoff", "unigram"])
def test_a_path_with_a_classifying_word_is_refused_by_name(word):
    with pytest.raises(PathNameError, match=f"'{word}'"):
        check_path_name(Path(f"/indexes/my-{word}s/pile"))


def test_a_relative_path_is_judged_by_where_it_leads(monkeypatch, tmp_path):
    folder = tmp_path / "timetables"
    folder.mkdir()
    monkeypatch.chdir(folder)
    with pytest.raises(PathNameError, match="'table'"):
        check_path_name(Path("index"))
