import json
from pathlib import Path

import pytest

import indexing.read_json_lines
from indexing.documents import BadDocuments
from indexing.errors import BadDocumentError
from tests.unit.indexing.reading import json_lines, metadata_of, read_all


def test_every_line_is_a_document_with_its_place_and_its_other_fields(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(json_lines({"text": "one", "id": 7}, {"id": 8, "text": "zwö\n"}))
    documents = read_all(file)
    assert [(document.text, document.text_bytes) for document in documents] == [("one", 3), ("zwö\n", 5)]
    assert metadata_of(documents[1]) == {"path": "a.jsonl", "linenum": 1, "metadata": {"id": 8}}


def test_metadata_is_ascii_on_one_line(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(json_lines({"text": "x", "title": "Zürich\n\u2028"}))
    (document,) = read_all(file)
    assert document.metadata_line.isascii()
    assert "\n" not in document.metadata_line


def test_fields_are_chosen_by_name(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(json_lines({"body": "x", "id": 7, "url": "u"}))
    (document,) = read_all(file, text="body", metadata=["url", "absent"])
    assert document.text == "x"
    assert metadata_of(document)["metadata"] == {"url": "u"}


def test_blank_lines_and_a_byte_order_mark_are_no_documents_but_lines_count(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + json_lines({"text": "a"}) + b"\n  \r\n" + json_lines({"text": "b"}))
    assert [metadata_of(document)["linenum"] for document in read_all(file)] == [0, 3]


def test_numbers_that_json_lacks_become_null(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b'{"text": "x", "score": NaN, "other": -Infinity, "large": [{"n": 1e999}, -1e999, 1.5]}\n')
    (document,) = read_all(file)
    assert metadata_of(document)["metadata"] == {"score": None, "other": None, "large": [{"n": None}, None, 1.5]}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"text": "x"', "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'["text"]', "expected a JSON object a line, found list"),
        (b'{"body": "x", "id": 1}', "no field 'text', found 'body', 'id'; name the text field"),
        (b'{"text": null}', "field 'text' is null, expected a string"),
        (b'{"text": ["x"]}', "field 'text' is an array, expected a string"),
        (b'{"text": 3}', "field 'text' is a number, expected a string"),
        (b'{"text": "\xff"}', "byte 10 of the line is 0xff, not UTF-8"),
        (b'{"text": "ab\\ud800"}', "half a surrogate pair at character 2"),
        (b'{"text": "x", "title": "\\ud800 bad"}', "the metadata has half a surrogate pair"),
    ],
)
def test_a_bad_line_is_named_by_file_and_line(tmp_path: Path, line: bytes, message: str) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(json_lines({"text": "good"}) + line + b"\n" + json_lines({"text": "also good"}))
    with pytest.raises(BadDocumentError) as raised:
        read_all(file)
    assert str(raised.value).startswith(f"{file}:2: ")
    assert message in str(raised.value)


def test_bad_lines_can_be_skipped_and_counted(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    lines = [b'{"text": "a"}', b"{", b'{"text": 1}', b'{"text": "b"}', b"\xff"]
    file.write_bytes(b"\n".join(lines))
    bad = BadDocuments(skip=True)
    assert [document.text for document in read_all(file, bad=bad)] == ["a", "b"]
    assert bad.count == 3
    assert bad.examples[0].startswith(f"{file}:2: not valid JSON")


def test_a_line_too_long_is_refused_without_holding_it_and_the_next_one_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing.read_json_lines, "MAX_DOCUMENT_BYTES", 1000)
    file = tmp_path / "a.jsonl"
    long_line = json.dumps({"text": "x" * 5_000_000}).encode()
    file.write_bytes(json_lines({"text": "a"}) + long_line + b"\n" + json_lines({"text": "b"}))
    with pytest.raises(BadDocumentError, match=r"a\.jsonl:2: line of more than 1000 bytes"):
        read_all(file)
    bad = BadDocuments(skip=True)
    assert [document.text for document in read_all(file, bad=bad)] == ["a", "b"]
    assert bad.count == 1
