from pathlib import Path

import pytest

from index_format.errors import IndexNotFoundError, ManifestError
from index_format.layout import INDEX_MANIFEST, TABLE, numbered, shard_folder
from indexing.errors import PlanError
from indexing.shard_files import find_shards
from tests.tiny_index import write_index, write_shard

DOCUMENTS = [[1, 2, 3], [2, 3], []]


def write_bare(folder: Path, number: int, width: int = 2) -> None:
    """Writes a shard as infini-gram names it in a folder of several."""
    written = write_shard(folder / "new", DOCUMENTS, width)
    for path in written.iterdir():
        path.rename(folder / numbered(path.name, number))
    written.rmdir()


def places(directory: Path, shards: tuple[int, ...] = ()) -> list[tuple[str, int]]:
    return [(shard.folder.name, shard.number) for shard in find_shards(directory, None, shards)]


def test_the_shards_of_an_index_come_with_their_manifests(tmp_path: Path) -> None:
    directory = write_index(tmp_path / "index", [["one"], ["two"]])
    found = find_shards(directory, None, ())
    assert [shard.folder.name for shard in found] == [shard_folder(0), shard_folder(1)]
    assert [shard.manifest.shard for shard in found if shard.manifest is not None] == [0, 1]
    assert {shard.number for shard in found} == {0}
    assert [shard.num_tokens for shard in find_shards(directory, 1, [1])] == [4]


def test_shards_of_one_folder_are_found_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 2, 0):
        write_bare(tmp_path, number)
    (tmp_path / "tokenized.notes").write_text("not a shard")
    assert places(tmp_path) == [(tmp_path.name, 0), (tmp_path.name, 2), (tmp_path.name, 10)]
    assert places(tmp_path, (1,)) == [(tmp_path.name, 2)]


def test_shards_in_folders_are_found_in_the_order_of_the_folders(tmp_path: Path) -> None:
    for folder in ("b", "a"):
        (tmp_path / folder).mkdir()
        write_bare(tmp_path / folder, 0)
    assert places(tmp_path) == [("a", 0), ("b", 0)]


@pytest.mark.parametrize("width", [1, 2, 4])
def test_the_width_of_a_token_is_told_by_the_sizes(tmp_path: Path, width: int) -> None:
    write_bare(tmp_path, 0, width)
    [shard] = find_shards(tmp_path, None, ())
    assert (shard.token_width, shard.num_tokens, shard.manifest) == (width, 8, None)


def test_a_width_that_the_sizes_do_not_tell_must_be_given(tmp_path: Path) -> None:
    write_bare(tmp_path, 0)
    table = tmp_path / TABLE
    table.write_bytes(table.read_bytes() * 5)  # entries of 5 bytes, where 1 would do
    with pytest.raises(PlanError, match="do not tell how wide a token is; give --token-width"):
        find_shards(tmp_path, None, ())
    assert [shard.num_tokens for shard in find_shards(tmp_path, 2, ())] == [8]


def test_a_width_that_the_files_contradict_is_refused(tmp_path: Path) -> None:
    write_bare(tmp_path, 0)
    with pytest.raises(PlanError, match=r"begin with 0xffff0100, beside a table of 8 bytes, are no tokens of 4 bytes"):
        find_shards(tmp_path, 4, ())
    index = write_index(tmp_path / "index", [["one"]])
    with pytest.raises(PlanError, match="tokens of 2 bytes asked for, the index has 1"):
        find_shards(index, 2, ())


def test_a_shard_that_is_not_there_is_refused(tmp_path: Path) -> None:
    write_bare(tmp_path, 0)
    with pytest.raises(PlanError, match="asked for shard 3, the index has shards 0 to 0"):
        find_shards(tmp_path, None, [0, 3])


def test_what_is_no_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError, match="no such directory"):
        find_shards(tmp_path / "nowhere", None, ())
    with pytest.raises(IndexNotFoundError, match=r"neither index\.json nor tokenized\.0 found"):
        find_shards(tmp_path, None, ())
    write_bare(tmp_path, 0)
    (tmp_path / TABLE).unlink()
    with pytest.raises(IndexNotFoundError, match=r"table\.0: not found, tokenized\.0 has no suffix array"):
        find_shards(tmp_path, None, ())


def test_an_unfinished_index_and_a_shard_of_one_are_refused(tmp_path: Path) -> None:
    directory = write_index(tmp_path / "index", [["one"]])
    with pytest.raises(IndexNotFoundError, match="name the directory of a finished index"):
        find_shards(directory / shard_folder(0), None, ())
    (directory / INDEX_MANIFEST).unlink()
    with pytest.raises(IndexNotFoundError, match=r"holds shard\.json but no index\.json"):
        find_shards(directory, None, ())


def test_a_damaged_core_file_is_refused(tmp_path: Path) -> None:
    directory = write_index(tmp_path / "index", [["one"]])
    table = directory / shard_folder(0) / TABLE
    table.write_bytes(table.read_bytes()[:-1])
    with pytest.raises(ManifestError, match=r"table\.0: file has 3 bytes, 4 were published"):
        find_shards(directory, None, ())
