import shutil
from pathlib import Path

import pytest

from index_format.errors import IndexNotFoundError
from index_format.layout import INDEX_MANIFEST
from index_format.manifest import IndexManifest
from index_format.removed_documents import load_removed, removed_file
from indexing.errors import IndexBusyError, PlanError
from indexing.living.change_lock import change_lock
from indexing.living.remove import remove_documents
from indexing.living.selection import Condition
from tests.tiny_index import write_index

SHARDS = [["one", "two", "three"], ["four", "five"]]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return write_index(tmp_path / "index", SHARDS)


def marked(directory: Path) -> list[list[int]]:
    manifest = IndexManifest.load(directory)
    return [numbers.tolist() for numbers in load_removed(directory, manifest, manifest.load_shards(directory))]


def test_documents_are_marked_and_nothing_else_changes(directory: Path, tmp_path: Path) -> None:
    before = IndexManifest.load(directory)
    shards = {path: path.read_bytes() for path in directory.rglob("shard_*/*")}
    report = remove_documents(directory, ids=["default:0:2", "1:0"])
    after = IndexManifest.load(directory)
    assert (report.named, report.changed, report.removed_documents, report.generation) == (2, 2, 2, 1)
    assert (after.generation, after.removed_documents, after.index_id) == (1, 2, before.index_id)
    assert marked(directory) == [[2], [0]]
    assert {path: path.read_bytes() for path in directory.rglob("shard_*/*")} == shards
    assert len(after.load_shards(directory)) == 2


def test_marks_add_up_and_the_older_list_goes(directory: Path) -> None:
    remove_documents(directory, ids=["0:1"])
    first = removed_file(IndexManifest.load(directory).removed_sha256)
    report = remove_documents(directory, ids=["0:1"], conditions=[Condition("linenum", "0")])
    assert (report.named, report.changed, report.removed_documents) == (3, 2, 3)
    assert marked(directory) == [[0, 1], [0]]
    assert not (directory / first).exists()
    assert len(list(directory.glob("removed_*"))) == 1


def test_marking_what_is_marked_is_no_new_generation(directory: Path) -> None:
    remove_documents(directory, ids=["0:1"])
    before = (directory / INDEX_MANIFEST).read_bytes()
    assert remove_documents(directory, ids=["0:1"]).changed == 0
    assert (directory / INDEX_MANIFEST).read_bytes() == before


def test_marks_are_taken_back_one_by_one_and_all_at_once(directory: Path) -> None:
    remove_documents(directory, ids=["0:0", "0:1", "1:1"])
    report = remove_documents(directory, ids=["0:1", "0:2"], undo=True)
    assert (report.named, report.changed, report.generation) == (2, 1, 2)
    assert marked(directory) == [[0], [1]]
    assert remove_documents(directory, undo=True).changed == 2
    manifest = IndexManifest.load(directory)
    assert (manifest.removed_documents, manifest.removed_sha256, manifest.generation) == (0, "", 3)
    assert list(directory.glob("removed_*")) == []


def test_a_call_that_names_nothing_or_another_index_is_refused(directory: Path) -> None:
    with pytest.raises(PlanError, match="no document named"):
        remove_documents(directory)
    with pytest.raises(PlanError, match="the documents named are of index abc"):
        remove_documents(directory, ids=["0:1"], index_id="abc")
    assert remove_documents(directory, ids=["0:1"], index_id=IndexManifest.load(directory).index_id).changed == 1


def test_an_index_that_is_not_there_or_is_being_changed_is_left_alone(directory: Path, tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError):
        remove_documents(tmp_path, ids=["0:1"])
    assert [path.name for path in tmp_path.iterdir()] == ["index"]
    with change_lock(directory), pytest.raises(IndexBusyError, match="another 'headwater index' command"):
        remove_documents(directory, ids=["0:1"])
    shutil.rmtree(directory)
