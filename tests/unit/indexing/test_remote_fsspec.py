from pathlib import Path

import fsspec
import pytest

from indexing.errors import StorageError
from indexing.pulling import pull
from indexing.remote_path import RemotePath, place_of
from indexing.remote_publishing import UPLOAD_RECORD, publish_to
from indexing.storage import open_store
from tests.stored_index import tree, write_random_index


@pytest.fixture
def memory():
    """An empty store in this process."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pseudo_dirs[:] = [""]
    yield files
    files.store.clear()


def test_an_index_goes_to_a_mounted_folder_and_back(tmp_path):
    write_random_index(tmp_path / "index", text_bytes=1000)
    url = RemotePath(f"file://{tmp_path}/mounted/one")
    publish_to(tmp_path / "index", url)
    stored = tree(tmp_path / "mounted" / "one")
    assert stored.pop(UPLOAD_RECORD)
    assert stored == tree(tmp_path / "index")
    assert publish_to(tmp_path / "index", url).moved_bytes == 0
    pull(url, tmp_path / "back")
    assert tree(tmp_path / "back") == tree(tmp_path / "index")


def test_an_index_goes_to_any_store_of_fsspec_and_back(memory, tmp_path):
    write_random_index(tmp_path / "index", text_bytes=1000)
    url = RemotePath("memory://bucket/one")
    publish_to(tmp_path / "index", url)
    assert publish_to(tmp_path / "index", url).moved_bytes == 0
    pull(url, tmp_path / "back", shards=[1])
    assert tree(tmp_path / "back").items() < tree(tmp_path / "index").items()


def test_a_file_that_is_being_written_to_a_folder_has_not_its_name_yet(tmp_path):
    path = RemotePath(f"file://{tmp_path}/x")
    seen = []

    def content():
        yield b"one"
        seen.append((tmp_path / "x").exists())
        yield b"two"

    open_store(path).write(path, content)
    assert seen == [False]
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("x", b"onetwo")]


def test_a_file_has_one_mark_however_it_is_asked_for(memory):
    memory.pipe("/bucket/x", b"content")
    folder = RemotePath("memory://bucket")
    store = open_store(folder)
    [(name, listed)] = store.files_below(folder)
    assert (name, listed) == ("x", store.find(folder.joined("x")))


@pytest.mark.parametrize(
    ("url", "said"),
    [("nonsense://host/x", "unknown kind of storage"), ("adl://host/x", "a package is missing for this kind")],
)
def test_a_store_that_cannot_be_reached_from_here_is_an_error(url, said):
    with pytest.raises(StorageError, match=said):
        open_store(RemotePath(url))


def test_a_url_without_a_bucket_is_an_error():
    with pytest.raises(StorageError, match=r"no bucket or host, expected a URL like s3://bucket/folder"):
        place_of("s3:///corpus")


def test_what_is_no_url_is_a_path():
    assert place_of("c:/corpus/a.jsonl") == Path("c:/corpus/a.jsonl")
    assert place_of("corpus") == Path("corpus")
