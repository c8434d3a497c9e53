from pathlib import Path

import pytest

import indexing.read_text
from indexing.documents import MAX_DOCUMENT_BYTES, BadDocuments
from indexing.errors import BadDocumentError
from tests.unit.indexing.reading import metadata_of, read_all


def test_a_text_file_is_one_document(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\n")
    (document,) = read_all(tmp_path)
    assert document.text == "one\r\ntwo\n"
    assert metadata_of(document) == {"path": "a.txt", "linenum": 0, "metadata": {}}


def test_text_that_is_not_utf8_is_named_by_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"one\ntwo\xe9\n")
    with pytest.raises(BadDocumentError, match=r"a\.txt:2: byte 7 of the file is 0xe9, not UTF-8"):
        read_all(file)


def test_a_text_of_more_than_a_gigabyte_is_refused_unread(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    with file.open("wb") as stream:
        stream.truncate(MAX_DOCUMENT_BYTES + 1)  # a hole: takes no room on the disk
    read: list[int] = []
    with pytest.raises(BadDocumentError, match=rf"a\.txt:1: document of more than {MAX_DOCUMENT_BYTES} bytes"):
        read_all(file, read=read)
    assert sum(read) == 0


def test_a_packed_text_is_read_no_further_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import gzip

    monkeypatch.setattr(indexing.read_text, "MAX_DOCUMENT_BYTES", 1000)
    file = tmp_path / "a.txt.gz"
    file.write_bytes(gzip.compress(b"x" * 1001))
    bad = BadDocuments(skip=True)
    assert read_all(file, bad=bad) == []
    assert bad.count == 1
