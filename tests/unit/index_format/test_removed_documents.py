import hashlib
from dataclasses import replace

import numpy as np
import pytest

from index_format.errors import ManifestError
from index_format.manifest import IndexManifest
from index_format.removed_documents import load_removed, removed_file, save_removed
from tests.tiny_index import write_index


@pytest.fixture
def index(tmp_path):
    return write_index(tmp_path / "index", [["one", "two"], ["three"], ["four", "five", "six"]])


def listed(index, *removed):
    """Publishes a list of removed documents and returns it with the manifest."""
    sha256 = save_removed(index, [np.array(numbers, dtype=np.uint64) for numbers in removed])
    changed = replace(IndexManifest.load(index), removed_documents=sum(map(len, removed)), removed_sha256=sha256)
    changed.save(index)
    return index / removed_file(sha256), changed


def load(index):
    manifest = IndexManifest.load(index)
    return [numbers.tolist() for numbers in load_removed(index, manifest, manifest.load_shards(index))]


def test_a_list_is_read_back_as_it_was_written(index):
    assert load(index) == [[], [], []]
    listed(index, [1], [], [0, 2])
    assert load(index) == [[1], [], [0, 2]]


@pytest.mark.parametrize(
    ("removed", "message"),
    [
        (([2], [], []), "documents of shard 0 are out of order or not among its 2"),
        (([], [], [1, 1]), "documents of shard 2 are out of order"),
        (([], [], [2, 0]), "documents of shard 2 are out of order"),
        (([], []), "is of 2 shards, the index has 3"),
    ],
)
def test_a_list_that_does_not_fit_the_shards_is_refused(index, removed, message):
    listed(index, *removed)
    with pytest.raises(ManifestError, match=message):
        load(index)


def test_a_list_that_changed_or_is_gone_is_refused(index):
    path, manifest = listed(index, [1], [0], [])
    replace(manifest, removed_documents=1).save(index)
    with pytest.raises(ManifestError, match="lists 2 documents, the index says 1"):
        load(index)
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(ManifestError, match=r"content has sha256 .* was published"):
        load(index)
    path.unlink()
    with pytest.raises(ManifestError, match="not found, the index lists 1 removed documents there"):
        load(index)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a list of removed documents"),
        (b"HWREMOVE" + bytes([2, 0, 0, 0, 3, 0, 0, 0]) + bytes(24), "version 2, this build reads 1"),
        (b"HWREMOVE" + bytes([1, 0, 0, 0, 3, 0, 0, 0]) + bytes(25), "41 bytes, expected 40"),
        (b"HWREMOVE" + bytes([1, 0, 0, 0, 3, 0, 0, 0]) + bytes(16), "32 bytes, expected"),
    ],
)
def test_a_file_of_another_form_is_refused(index, content, message):
    path, manifest = listed(index, [1], [], [])
    path.unlink()
    sha256 = hashlib.sha256(content).hexdigest()
    (index / removed_file(sha256)).write_bytes(content)
    replace(manifest, removed_sha256=sha256).save(index)
    with pytest.raises(ManifestError, match=message):
        load(index)
