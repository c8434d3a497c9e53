"""Pulling an index from a store that speaks S3."""

import os
import re
import shutil
import signal
import threading
import time
from dataclasses import replace

import pytest

from index_format.errors import IndexNotFoundError, ManifestError
from index_format.manifest import IndexManifest, ShardManifest
from indexing.errors import DiskFullError, IndexBusyError, OutputError, PlanError, StorageError, VerificationError
from indexing.file_lock import file_lock
from indexing.pulling import PULL_LOCK, PULL_RECORD, pull
from indexing.remote_publishing import UPLOAD_RECORD, publish_to
from shard_server.config import ShardServerConfig
from shard_server.shards import open_shards
from tests.integration.index_builds import index_command
from tests.stored_index import URL, configured_s3, tree, write_random_index
from tests.tiny_index import write_index

TEXT = "shard_00001/tokenized.0"
RANGE_BYTES = 64 << 10


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr("indexing.remote_ranges.RANGE_BYTES", RANGE_BYTES)
    with configured_s3(monkeypatch) as server:
        yield server


@pytest.fixture
def index(server, tmp_path):
    """An index on disk that is on the store as well."""
    directory = tmp_path / "index"
    write_random_index(directory)
    publish_to(directory, URL)
    server.requests.clear()
    return directory


def key(name):
    return f"indexes/one/{name}"


def got(server, name):
    """Returns how many ranges of an object were asked for."""
    return server.requests.count(f"GET /bucket/{key(name)}")


def test_a_pulled_index_is_the_same_bytes_and_nothing_else(server, index, tmp_path):
    report = pull(URL, tmp_path / "here")
    assert tree(tmp_path / "here") == tree(index)
    assert report.moved_bytes >= report.size_bytes
    assert got(server, TEXT) == -(-400_000 // RANGE_BYTES)


def test_pulling_again_brings_nothing(server, index, tmp_path):
    pull(URL, tmp_path / "here")
    server.requests.clear()
    assert pull(URL, tmp_path / "here").moved_bytes == 0
    assert [request for request in server.requests if ".0" in request] == []


def test_a_server_opens_the_shard_that_was_pulled_and_a_coordinator_needs_none(server, tmp_path):
    write_index(tmp_path / "index", [["a cat sat"], ["a dog ran"], ["the end"]])
    publish_to(tmp_path / "index", URL)
    pull(URL, tmp_path / "server", shards=[1])
    assert sorted(path.name for path in (tmp_path / "server").iterdir() if path.is_dir()) == ["shard_00001"]
    opened = open_shards(ShardServerConfig(index=tmp_path / "server", shards=(1,), check_files="checksums"))
    assert list(opened.by_number) == [1]
    pull(URL, tmp_path / "server", shards=[0])
    assert list(open_shards(ShardServerConfig(index=tmp_path / "server", shards=(0, 1))).by_number) == [0, 1]
    pull(URL, tmp_path / "coordinator", shards=[])
    assert IndexManifest.load(tmp_path / "coordinator").num_shards == 3
    assert not any(path.is_dir() for path in (tmp_path / "coordinator").iterdir())


def test_a_connection_that_breaks_in_the_middle_is_made_again(server, index, tmp_path):
    left = [3]

    def cut(request):
        if request.startswith(f"GET /bucket/{key(TEXT)}") and left[0]:
            left[0] -= 1
            return "cut"
        return None

    server.fault = cut
    pull(URL, tmp_path / "here", num_connections=1)
    assert left == [0]
    assert tree(tmp_path / "here") == tree(index)


def test_a_pull_that_fails_keeps_whole_files_and_goes_on_within_the_one_at_hand(server, index, tmp_path):
    asked = [0]

    def refuse_later_ranges(request):
        if request.startswith(f"GET /bucket/{key(TEXT)}"):
            asked[0] += 1
            return "refuse" if asked[0] > 4 else None
        return None

    server.fault = refuse_later_ranges
    with pytest.raises(StorageError, match=r"tokenized.0: the storage does not answer as it should"):
        pull(URL, tmp_path / "here", num_connections=1)
    assert not (tmp_path / "here" / "index.json").exists()
    assert not (tmp_path / "here" / TEXT).exists()
    server.fault = lambda request: None
    server.requests.clear()
    report = pull(URL, tmp_path / "here")
    assert tree(tmp_path / "here") == tree(index)
    assert got(server, "shard_00000/tokenized.0") == 0
    assert got(server, TEXT) == -(-400_000 // RANGE_BYTES) - 4
    assert report.moved_bytes < report.size_bytes / 2


def test_a_beginning_of_something_else_is_thrown_away(server, index, tmp_path):
    folder = tmp_path / "here" / "shard_00001"
    folder.mkdir(parents=True)
    (tmp_path / "here" / PULL_RECORD).write_text("half a rec")
    (folder / "tokenized.0.part").write_bytes(b"x" * 1000)
    (folder / "offset.0.part").write_bytes(b"x" * 1_000_000)
    pull(URL, tmp_path / "here")
    assert tree(tmp_path / "here") == tree(index)


def test_a_file_that_changed_since_it_was_pulled_comes_again(server, index, tmp_path):
    server.fault = lambda request: "deny" if "shard_00001" in request and ".0" in request else None
    with pytest.raises(StorageError):
        pull(URL, tmp_path / "here")
    path = tmp_path / "here" / "shard_00000" / "tokenized.0"
    path.write_bytes(bytes(path.stat().st_size))
    (tmp_path / "here" / "shard_00000" / "shard.json").unlink()
    server.fault = lambda request: None
    pull(URL, tmp_path / "here")
    assert tree(tmp_path / "here") == tree(index)


def test_a_damaged_object_is_found_and_never_gets_its_name(server, index, tmp_path):
    content = server.buckets["bucket"][key(TEXT)]
    server.buckets["bucket"][key(TEXT)] = content[:-1] + bytes([content[-1] ^ 1])
    with pytest.raises(VerificationError, match=r"shard_00001/tokenized.0: content has sha256 .* was published"):
        pull(URL, tmp_path / "here")
    assert not (tmp_path / "here" / TEXT).exists()
    assert not (tmp_path / "here" / "index.json").exists()
    server.buckets["bucket"][key(TEXT)] = content
    pull(URL, tmp_path / "here")
    assert tree(tmp_path / "here") == tree(index)


def test_a_truncated_object_is_found_before_it_is_read(server, index, tmp_path):
    server.buckets["bucket"][key(TEXT)] = server.buckets["bucket"][key(TEXT)][:-1]
    with pytest.raises(StorageError, match=r"tokenized.0: has 399999 bytes, the manifest says 400000"):
        pull(URL, tmp_path / "here")


def test_a_killed_pull_is_continued(server, index, tmp_path):
    write_random_index(tmp_path / "large", shards=2, text_bytes=40 << 20, seed=3)
    url = replace(URL, url="s3://bucket/large")
    publish_to(tmp_path / "large", url)
    server.fault = lambda request: time.sleep(0.3) if request.startswith("GET /bucket/large/shard_00001/tok") else None
    with index_command("pull", url.url, tmp_path / "here", "--connections", 1) as process:
        part = tmp_path / "here" / "shard_00001" / "tokenized.0.part"
        deadline = time.monotonic() + 60
        while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert part.stat().st_size
    assert not (tmp_path / "here" / "index.json").exists()
    server.fault = lambda request: None
    server.requests.clear()
    with index_command("pull", url.url, tmp_path / "here") as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert re.search(r"2 shards of [0-9.]+ MiB, [0-9.]+ MiB downloaded in ", out)
    assert tree(tmp_path / "here") == tree(tmp_path / "large")
    assert "GET /bucket/large/shard_00000/tokenized.0" not in server.requests


def test_only_one_pulls_into_a_directory(server, index, tmp_path, monkeypatch):
    monkeypatch.setattr("indexing.file_lock._PATIENCE_S", 0.0)
    (tmp_path / "here").mkdir()
    held, done = threading.Event(), threading.Event()

    def hold():
        with file_lock(tmp_path / "here" / PULL_LOCK, "busy"):
            held.set()
            done.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(60)
    try:
        with pytest.raises(IndexBusyError, match="another 'headwater index pull' is at work"):
            pull(URL, tmp_path / "here")
    finally:
        done.set()
        thread.join()


def test_too_little_disk_is_found_before_anything_comes(server, index, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("indexing.pulling.shutil.disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(DiskFullError, match=r" KiB are still to come, the disk has room for 0.977 KiB"):
        pull(URL, tmp_path / "here")
    assert [request for request in server.requests if ".0" in request] == []


def test_sidecars_made_since_come_alone(server, tmp_path):
    texts = [["a cat sat on a mat"], ["a dog ran"]]
    write_index(tmp_path / "index", texts)
    publish_to(tmp_path / "index", URL)
    pull(URL, tmp_path / "here")
    before = tree(tmp_path / "here")
    from indexing import accelerate

    accelerate(tmp_path / "index", threads=1)
    publish_to(tmp_path / "index", URL)
    server.requests.clear()
    pull(URL, tmp_path / "here")
    after = tree(tmp_path / "here")
    assert {name.rpartition("/")[2] for name in after.keys() - before.keys()} == {"fanout.0", "directory.0"}
    assert after == tree(tmp_path / "index")
    assert not any("tokenized" in request for request in server.requests)


def test_a_later_generation_brings_its_new_shard_alone(server, index, tmp_path):
    pull(URL, tmp_path / "here")
    later = replace(write_random_index(tmp_path / "later", shards=3), generation=1)
    later.save(tmp_path / "later")
    publish_to(tmp_path / "later", URL)
    server.requests.clear()
    pull(URL, tmp_path / "here")
    assert tree(tmp_path / "here") == tree(tmp_path / "later")
    assert not any("shard_00000/tokenized" in request for request in server.requests)


def test_a_later_generation_of_other_content_never_replaces_files_that_may_be_open(server, index, tmp_path):
    pull(URL, tmp_path / "here")
    before = tree(tmp_path / "here")
    later = replace(write_random_index(tmp_path / "later", seed=5), generation=1)
    later.save(tmp_path / "later")
    server.buckets["bucket"].clear()
    publish_to(tmp_path / "later", URL)
    with pytest.raises(OutputError, match=r"of another generation of the index .*; pull into a new directory"):
        pull(URL, tmp_path / "here")
    assert tree(tmp_path / "here") == before


def test_pulling_again_costs_few_requests(server, index, tmp_path):
    pull(URL, tmp_path / "here")
    server.requests.clear()
    pull(URL, tmp_path / "here")
    assert len(server.requests) == 3 + 2 * 2


def test_a_directory_with_something_else_in_it_is_left_alone(server, index, tmp_path):
    write_random_index(tmp_path / "other", seed=9)
    before = tree(tmp_path / "other")
    with pytest.raises(OutputError, match=r"holds index \w+, the one at s3://bucket/indexes/one is"):
        pull(URL, tmp_path / "other")
    assert tree(tmp_path / "other") == before
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "photo.jpg").write_bytes(b"1")
    with pytest.raises(OutputError, match=r"not empty, found 'photo.jpg'"):
        pull(URL, tmp_path / "full")
    with pytest.raises(OutputError, match="is a file"):
        pull(URL, tmp_path / "full" / "photo.jpg")


def test_a_volume_that_was_just_formatted_will_do(server, index, tmp_path):
    (tmp_path / "here" / "lost+found").mkdir(parents=True)
    pull(URL, tmp_path / "here")
    assert IndexManifest.load(tmp_path / "here") == IndexManifest.load(index)


def test_a_url_without_an_index_and_a_shard_that_it_lacks_are_errors(server, index, tmp_path):
    with pytest.raises(IndexNotFoundError, match=r"s3://bucket/indexes/index.json: not found"):
        pull(replace(URL, url="s3://bucket/indexes"), tmp_path / "here")
    with pytest.raises(PlanError, match=r"asked for shard 2, the index has shards 0 to 1"):
        pull(URL, tmp_path / "here", shards=[2])
    assert not (tmp_path / "here").exists()


@pytest.mark.parametrize("stranger", ["../../evil", "evil"])
def test_a_manifest_cannot_name_a_file_outside_or_another(server, index, tmp_path, stranger):
    shard = ShardManifest.load(index / "shard_00000")
    entry = shard.files["offset.0"]
    replace(shard, files={**shard.files, stranger: entry}).save(index / "shard_00000")
    name = key("shard_00000/shard.json")
    server.buckets["bucket"][name] = (index / "shard_00000" / "shard.json").read_bytes()
    with pytest.raises(ManifestError, match=f"a file '{stranger}', expected"):
        pull(URL, tmp_path / "here")


def test_what_push_keeps_beside_an_index_does_not_come(server, index, tmp_path):
    assert key(UPLOAD_RECORD) in server.buckets["bucket"]
    pull(URL, tmp_path / "here")
    assert not (tmp_path / "here" / UPLOAD_RECORD).exists()
