"""Files on a store that speaks S3: what is read and written, and what is said when it fails."""

import gzip
import json

import pyarrow
import pyarrow.parquet
import pytest
import zstandard

from indexing import BuildPlan, RawBytes, build
from indexing.errors import SourceError, StorageError
from indexing.remote_path import RemotePath
from indexing.sources import find_corpus
from indexing.storage import open_store
from tests.integration.index_builds import make_texts
from tests.stored_index import configured_s3, tree

FOLDER = RemotePath("s3://bucket/a folder")


@pytest.fixture
def server(monkeypatch):
    with configured_s3(monkeypatch) as server:
        yield server


@pytest.fixture
def store(server):
    return open_store(FOLDER)


def put(server, name, content):
    server.buckets["bucket"][f"a folder/{name}"] = content
    return FOLDER.joined(name)


@pytest.mark.parametrize("name", ["plain.bin", "named like.gz", "ü/%41+b?c.zst"])
@pytest.mark.parametrize("content", [b"", b"some content", b"x" * (11 << 20)], ids=["empty", "small", "in parts"])
def test_what_was_written_is_read(server, store, name, content):
    path = FOLDER.joined(name)
    store.write(path, lambda: [content[:5], content[5:]])
    assert server.buckets["bucket"][f"a folder/{name}"] == content
    assert store.read(path) == content
    assert store.find(path).size_bytes == len(content)


def test_a_listing_has_every_file_by_its_name_over_many_pages(server, store):
    names = sorted(f"{number:04}/x" for number in range(1200))
    for name in names:
        put(server, name, b"1")
    put(server, "", b"")  # as consoles make folders
    assert [name for name, _ in store.files_below(FOLDER)] == names
    assert sum("list-type=2" in request for request in server.requests) == 2


def test_a_stream_reads_in_large_blocks_and_seeks(server, store):
    content = bytes(range(256)) * (40 << 10)
    with put(server, "x", content).open() as stream:
        assert stream.readline() == content[: content.index(b"\n") + 1]
        stream.seek(9 << 20)
        assert stream.read(1000) == content[9 << 20 :][:1000]
        stream.seek(-3, 2)
        assert stream.read() == content[-3:]
    assert sum(request.startswith("GET") for request in server.requests) <= 3


def test_a_request_that_fails_in_passing_is_made_again(server, store):
    path = put(server, "x", b"content")
    refused = []

    def refuse_twice(request):
        refused.append(request)
        return "refuse" if len(refused) <= 3 else None  # the client itself tries twice

    server.fault = refuse_twice
    assert store.find(path).size_bytes == 7
    assert len(refused) == 4


def test_an_answer_that_is_always_cut_short_is_an_error(server, store):
    path = put(server, "x", b"content" * 100)
    server.fault = lambda request: "cut" if request.startswith("GET") else None
    with pytest.raises(StorageError, match=r"s3://bucket/a folder/x: the storage does not answer as it should"):
        store.read(path)


def test_a_file_that_is_missing_is_named(store):
    with pytest.raises(StorageError, match=r"^s3://bucket/a folder/none: not found$"):
        store.read(FOLDER.joined("none"))


def test_a_store_that_is_gone_is_told_with_where_to_look(server, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StorageError, match=r"check the network and AWS_ENDPOINT_URL, then run the same command again"):
        open_store(FOLDER).find(FOLDER.joined("x"))


def test_a_stream_that_fails_leaves_nothing(server, store):
    def content():
        yield b"x" * 1000
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.write(FOLDER.joined("x"), content)
    assert "a folder/x" not in server.buckets["bucket"]


def test_a_refused_overwrite_leaves_what_was_there(server, store):
    path = put(server, "x", b"before")
    server.fault = lambda request: "refuse" if request.startswith("PUT") else None
    with pytest.raises(StorageError):
        store.write(path, lambda: [b"after"])
    assert server.buckets["bucket"]["a folder/x"] == b"before"


def write_corpus(folder):
    texts = make_texts(200)
    lines = [json.dumps({"text": text}).encode() + b"\n" for text in texts]
    (folder / "b").mkdir(parents=True)
    (folder / "a.jsonl").write_bytes(b"".join(lines[:50]))
    (folder / "b" / "c.jsonl.gz").write_bytes(gzip.compress(b"".join(lines[50:100])))
    (folder / "b" / "d.jsonl.zst").write_bytes(zstandard.compress(b"".join(lines[100:150])))
    pyarrow.parquet.write_table(pyarrow.table({"text": texts[150:]}), folder / "b" / "e.parquet", row_group_size=20)


def test_a_corpus_on_a_store_gives_the_same_index_as_on_disk(server, tmp_path):
    write_corpus(tmp_path / "corpus")
    for name, content in tree(tmp_path / "corpus").items():
        put(server, name, content)
    for name, source in (("local", tmp_path / "corpus"), ("remote", FOLDER)):
        build(BuildPlan(sources=(source,), output=tmp_path / name, tokenizer=RawBytes(), shards=2, threads=1))
    assert tree(tmp_path / "remote") == tree(tmp_path / "local")


def test_a_truncated_file_on_a_store_is_an_error_that_names_it(server):
    put(server, "c.jsonl.gz", gzip.compress(b'{"text": "one"}\n' * 100)[:-10])
    [file] = find_corpus([FOLDER]).files
    from indexing.documents import BadDocuments, DocumentFields
    from indexing.reading import read_part
    from indexing.sources import SplitFile

    with pytest.raises(SourceError, match=r"s3://bucket/a folder/c.jsonl.gz: truncated or corrupt .gz file"):
        list(read_part(SplitFile.whole(file), DocumentFields("text", None), BadDocuments(skip=True), id))
