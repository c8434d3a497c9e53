import gzip
import json

import fsspec
import pyarrow
import pyarrow.parquet
import pytest

from indexing.documents import BadDocuments, DocumentFields
from indexing.errors import SourceError, StorageError
from indexing.reading import read_documents
from indexing.remote_path import RemotePath, place_of
from indexing.sources import find_corpus
from indexing.splits import splits_of


@pytest.fixture
def memory():
    """An empty store in this process."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pseudo_dirs[:] = [""]
    yield files
    files.store.clear()


def jsonl(*texts):
    return "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()


def read_all(corpus):
    documents = read_documents(corpus, DocumentFields("text", None), BadDocuments(skip=False), lambda _: None)
    return [(document.text, json.loads(document.metadata_line)) for document in documents]


def fill(memory, tmp_path):
    """Puts the same corpus on the store and on disk."""
    table = pyarrow.table({"text": [f"row {row}" for row in range(20)], "n": list(range(20))})
    (tmp_path / "b").mkdir()
    (tmp_path / "b.jsonl").write_bytes(jsonl("one", "two"))
    (tmp_path / "b" / "c.jsonl.gz").write_bytes(gzip.compress(jsonl("three")))
    (tmp_path / "b" / "d.txt").write_text("four")
    pyarrow.parquet.write_table(table, tmp_path / "b" / "e.parquet", row_group_size=6)
    (tmp_path / ".hidden.jsonl").write_bytes(jsonl("never"))
    (tmp_path / "_SUCCESS").write_bytes(b"")
    for path in tmp_path.rglob("*"):
        if path.is_file():
            memory.pipe(f"/bucket/corpus/{path.relative_to(tmp_path).as_posix()}", path.read_bytes())


def test_a_corpus_on_a_store_has_the_names_order_and_documents_of_the_same_corpus_on_disk(memory, tmp_path):
    fill(memory, tmp_path)
    noted = []
    remote = find_corpus(["memory://bucket/corpus"], noted.append)
    local = find_corpus([tmp_path])
    assert [file.name for file in remote.files] == [file.name for file in local.files]
    assert read_all(remote) == read_all(local)
    assert remote.size_bytes == local.size_bytes
    assert noted == ["passed over memory://bucket/corpus/_SUCCESS: of no type that holds documents"]


def test_parquet_on_a_store_is_cut_as_on_disk_and_lines_are_not_cut(memory, tmp_path):
    texts = [f"{row} " + "x" * 10_000 for row in range(1000)]
    pyarrow.parquet.write_table(
        pyarrow.table({"text": texts}),
        tmp_path / "b.parquet",
        row_group_size=100,
        compression=None,
        use_dictionary=False,
    )
    memory.pipe("/bucket/a.jsonl", jsonl(*texts))
    memory.pipe("/bucket/b.parquet", (tmp_path / "b.parquet").read_bytes())
    lines, *rest = splits_of(find_corpus(["memory://bucket/"]))
    [part] = lines.files
    assert (part.file.name, part.start, part.end) == ("a.jsonl", 0, None)
    ranges = [[(part.start, part.end) for part in split.files] for split in splits_of(find_corpus([tmp_path]))]
    assert [[(part.start, part.end) for part in split.files] for split in rest] == ranges
    assert len(ranges) > 1


def test_a_file_has_another_mark_once_it_is_replaced(memory):
    memory.pipe("/bucket/a.jsonl", jsonl("one"))
    [before] = find_corpus(["memory://bucket/a.jsonl"]).files
    memory.pipe("/bucket/a.jsonl", jsonl("two"))
    [after] = find_corpus(["memory://bucket/a.jsonl"]).files
    assert before.size_bytes == after.size_bytes
    assert before.mark != after.mark


def test_names_are_relative_to_what_all_urls_have_in_common(memory):
    for path in ("/bucket/x/a/1.jsonl", "/bucket/x/b/2.jsonl"):
        memory.pipe(path, jsonl("one"))
    names = [file.name for file in find_corpus(["memory://bucket/x/b", "memory://bucket/x/a/1.jsonl"]).files]
    assert names == ["b/2.jsonl", "a/1.jsonl"]
    assert [file.name for file in find_corpus(["memory://bucket/x/a/1.jsonl"]).files] == ["1.jsonl"]


def test_a_url_with_nothing_at_it_is_an_error(memory):
    with pytest.raises(SourceError, match=r"memory://bucket/none: no such file or folder"):
        find_corpus(["memory://bucket/none"])


def test_a_url_without_documents_says_what_is_there(memory):
    memory.pipe("/bucket/x/weights.bin", b"123")
    with pytest.raises(SourceError, match=r"memory://bucket/x: no documents in this folder, found .bin"):
        find_corpus(["memory://bucket/x"])
    with pytest.raises(SourceError, match=r"memory://bucket/x/weights.bin: unknown file type"):
        find_corpus(["memory://bucket/x/weights.bin"])


def test_a_file_given_twice_is_an_error(memory):
    memory.pipe("/bucket/a.jsonl", jsonl("one"))
    with pytest.raises(SourceError, match="given twice"):
        find_corpus(["memory://bucket", "memory://bucket/a.jsonl"])


def test_a_file_that_grew_after_it_was_listed_is_refused(memory):
    memory.pipe("/bucket/a.jsonl", jsonl("one"))
    corpus = find_corpus(["memory://bucket/a.jsonl"])
    memory.pipe("/bucket/a.jsonl", jsonl("one", "two"))
    with pytest.raises(StorageError, match=r"has \d+ bytes, \d+ when it was listed"):
        read_all(corpus)


def test_a_password_in_a_url_is_refused_and_not_repeated():
    with pytest.raises(StorageError) as caught:
        place_of("sftp://user:secret@host/corpus")
    assert "secret" not in str(caught.value)


def test_a_query_is_not_shown():
    assert str(RemotePath("https://host/a.jsonl?X-Amz-Signature=secret")) == "https://host/a.jsonl"


def test_a_file_url_is_a_path(tmp_path):
    (tmp_path / "a b.jsonl").write_bytes(jsonl("one"))
    corpus = find_corpus([f"file://{tmp_path}/a%20b.jsonl"])
    assert corpus.files[0].path == tmp_path / "a b.jsonl"
