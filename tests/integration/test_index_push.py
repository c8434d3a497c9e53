"""Pushing an index to a store that speaks S3."""

import json
import os
import re
import signal
import time
from dataclasses import replace

import pytest

from index_format.errors import ManifestError
from index_format.manifest import IndexManifest
from indexing import remote_publishing
from indexing.errors import OutputError, StorageError, VerificationError
from indexing.pulling import pull
from indexing.remote_path import RemotePath
from indexing.remote_publishing import UPLOAD_RECORD, publish_to
from tests.integration.index_builds import index_command
from tests.stored_index import URL, configured_s3, stored_tree, tree, write_random_index

BIG = "shard_00000/tokenized.0"


@pytest.fixture
def server(monkeypatch):
    with configured_s3(monkeypatch) as server:
        yield server


@pytest.fixture
def index(tmp_path):
    directory = tmp_path / "index"
    write_random_index(directory)
    return directory


def written(server):
    """Returns the names of the objects that were written, in order, a large one once."""
    paths = [request.split(" ")[1] for request in server.requests if re.match(r"PUT [^?]*$|POST .*\?uploadId", request)]
    return [path.partition("?")[0].removeprefix("/bucket/indexes/one/") for path in paths]


def test_a_pushed_index_is_the_same_bytes_and_its_manifest_comes_last(server, index):
    report = publish_to(index, URL)
    stored = stored_tree(server)
    stored.pop(UPLOAD_RECORD)
    assert stored == tree(index)
    order = [name for name in written(server) if name != UPLOAD_RECORD]
    assert order[-1] == "index.json"
    assert order.index("shard_00001/shard.json") > max(
        order.index(name) for name in tree(index) if name.startswith("shard_00001/") and name.endswith(".0")
    )
    assert report.moved_bytes == sum(
        len(content) for name, content in stored.items() if not name.endswith("d.json")
    ) - len(stored["index.json"])


def test_a_large_file_goes_up_in_parts(server, tmp_path):
    write_random_index(tmp_path / "large", shards=1, text_bytes=40 << 20)
    publish_to(tmp_path / "large", URL)
    assert sum("partNumber" in request for request in server.requests) == 4
    assert stored_tree(server)[BIG] == tree(tmp_path / "large")[BIG]


def test_a_file_larger_than_an_object_may_be_goes_up_in_pieces_and_comes_back_whole(
    server, index, tmp_path, monkeypatch
):
    monkeypatch.setattr("indexing.remote_arrow._LARGEST_S3_BYTES", 300_000)
    monkeypatch.setattr("indexing.remote_pieces.PIECE_BYTES", 150_000)
    server.fault = lambda request: "refuse" if f"{BIG}.piece-00002" in request else None
    with pytest.raises(StorageError):
        publish_to(index, URL)
    server.fault = lambda request: None
    server.requests.clear()
    publish_to(index, URL)
    assert [name for name in written(server) if BIG in name] == [f"{BIG}.piece-00002"]
    assert sorted(name for name in stored_tree(server) if "tokenized" in name and "shard_00001" in name) == [
        f"shard_00001/tokenized.0.piece-0000{number}" for number in range(3)
    ]
    assert publish_to(index, URL).moved_bytes == 0
    monkeypatch.setattr("indexing.remote_pieces.PIECE_BYTES", 1)  # a later version may choose another
    monkeypatch.setattr("indexing.remote_ranges.RANGE_BYTES", 70_000)
    pull(URL, tmp_path / "back")
    assert tree(tmp_path / "back") == tree(index)


def test_a_file_in_pieces_that_changed_after_the_first_is_not_published(server, index, monkeypatch):
    monkeypatch.setattr("indexing.remote_arrow._LARGEST_S3_BYTES", 300_000)
    monkeypatch.setattr("indexing.remote_pieces.PIECE_BYTES", 150_000)
    server.fault = lambda request: "refuse" if f"{BIG}.piece-00002" in request else None
    with pytest.raises(StorageError):
        publish_to(index, URL)
    server.fault = lambda request: None
    content = tree(index)[BIG]
    (index / BIG).write_bytes(bytes(1000) + content[1000:])
    with pytest.raises(VerificationError):
        publish_to(index, URL)
    assert "index.json" not in stored_tree(server)


def test_a_killed_push_is_continued(server, index):
    server.fault = lambda request: time.sleep(0.5) if "shard_00001" in request else None
    with index_command("push", index, URL.url) as process:
        deadline = time.monotonic() + 60
        while f"indexes/one/{BIG}" not in server.buckets["bucket"] and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.7)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert "index.json" not in stored_tree(server)
    server.fault = lambda request: None
    server.requests.clear()
    with index_command("push", index, URL.url, "--json") as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert json.loads(out)["index_id"] == IndexManifest.load(index).index_id
    assert BIG not in written(server)
    assert tree(index).items() <= stored_tree(server).items()


def test_a_push_that_breaks_off_publishes_nothing_and_goes_on_where_it_was(server, index):
    server.fault = lambda request: "refuse" if "shard_00001/tokenized" in request else None
    with pytest.raises(StorageError, match=r"shard_00001/tokenized.0: the storage does not answer .* after 2 tries"):
        publish_to(index, URL)
    assert "index.json" not in stored_tree(server)
    assert "shard_00001/tokenized.0" not in stored_tree(server)
    server.fault = lambda request: None
    server.requests.clear()
    publish_to(index, URL)
    assert BIG not in written(server)
    assert "shard_00001/tokenized.0" in written(server)
    assert tree(index).items() <= stored_tree(server).items()


def test_a_second_push_of_the_same_index_sends_manifests_only(server, index):
    publish_to(index, URL)
    server.requests.clear()
    assert publish_to(index, URL).moved_bytes == 0
    assert written(server) == ["shard_00000/shard.json", "shard_00001/shard.json", "index.json"]


def test_an_object_that_lost_bytes_after_it_was_sent_is_sent_again(server, index):
    publish_to(index, URL)
    server.buckets["bucket"][f"indexes/one/{BIG}"] = b"short"
    publish_to(index, URL)
    assert stored_tree(server)[BIG] == tree(index)[BIG]


def test_a_damaged_file_is_not_published(server, index):
    path = index / BIG
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    with pytest.raises(VerificationError, match=r"tokenized.0: content has sha256 .* was published"):
        publish_to(index, URL)
    assert BIG not in stored_tree(server)
    assert "index.json" not in stored_tree(server)


def test_an_upload_of_which_less_arrives_is_an_error(server, index, monkeypatch):
    def lose(objects, key, content):
        objects[key] = content[:-1] if key.endswith("offset.0") else content

    monkeypatch.setattr(server, "store", lose)
    with pytest.raises(StorageError, match=r"offset.0: 1000 bytes were sent, the storage has 999 bytes"):
        publish_to(index, URL)


def test_reading_back_finds_an_object_of_other_content(server, index, monkeypatch):
    def spoil(objects, key, content):
        objects[key] = bytes(len(content)) if key.endswith("offset.0") else content

    monkeypatch.setattr(server, "store", spoil)
    publish_to(index, RemotePath("s3://bucket/unread"))
    with pytest.raises(StorageError, match=r"offset.0: what arrived is not what was sent"):
        publish_to(index, URL, read_back=True)


def test_another_index_at_the_url_stays_as_it_is(server, index, tmp_path):
    publish_to(index, URL)
    other = tmp_path / "other"
    write_random_index(other, seed=2)
    before = stored_tree(server)
    with pytest.raises(OutputError, match=r"holds index .* already"):
        publish_to(other, URL)
    assert stored_tree(server) == before


def test_a_later_generation_may_add_shards_but_not_change_those_that_are_read(server, index, tmp_path):
    publish_to(index, URL)
    before = stored_tree(server)
    replace(write_random_index(tmp_path / "changed", seed=2), generation=1).save(tmp_path / "changed")
    with pytest.raises(OutputError, match=r"one/shard_00000: holds other content in the generation that is published"):
        publish_to(tmp_path / "changed", URL)
    assert stored_tree(server) == before
    replace(write_random_index(tmp_path / "more", shards=3), generation=1).save(tmp_path / "more")
    server.requests.clear()
    publish_to(tmp_path / "more", URL)
    assert not any("shard_00000/tok" in name for name in written(server))
    assert tree(tmp_path / "more").items() <= stored_tree(server).items()


def test_a_push_sends_the_manifests_that_it_began_with(server, index, monkeypatch):
    before = tree(index)
    check_place = remote_publishing._check_place

    def changed_meanwhile(manifest, shards, url):
        check_place(manifest, shards, url)
        replace(manifest, generation=1).save(index)
        replace(shards[1], files={}).save(index / "shard_00001")

    monkeypatch.setattr(remote_publishing, "_check_place", changed_meanwhile)
    publish_to(index, URL)
    stored = stored_tree(server)
    stored.pop(UPLOAD_RECORD)
    assert stored == before


def test_an_unfinished_index_is_not_pushed(server, index):
    (index / BIG).unlink()
    with pytest.raises(ManifestError, match="file is missing"):
        publish_to(index, URL)
    assert stored_tree(server) == {}


@pytest.mark.parametrize(
    ("url", "fault", "said"),
    [
        ("s3://bucket/one", "deny", "access is denied; give credentials"),
        ("s3://nothing/one", None, "there is no such bucket"),
    ],
)
def test_a_store_that_refuses_says_what_to_do_and_no_secret(server, index, url, fault, said):
    server.fault = lambda request: fault
    with pytest.raises(StorageError, match=said) as caught:
        publish_to(index, RemotePath(url))
    assert "very-secret" not in str(caught.value)


def test_the_record_of_what_was_sent_may_be_broken(server, index):
    publish_to(index, URL)
    server.buckets["bucket"][f"indexes/one/{UPLOAD_RECORD}"] = json.dumps({"files": [1]}).encode()
    assert publish_to(index, URL).moved_bytes > 800_000
