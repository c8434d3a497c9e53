import datetime
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from indexing.documents import BadDocuments
from indexing.errors import BadDocumentError, SourceError
from tests.unit.indexing.reading import metadata_of, read_all


def write(path: Path, columns: dict[str, list[object]], rows_a_group: int = 1000) -> Path:
    pyarrow.parquet.write_table(pyarrow.table(columns), path, row_group_size=rows_a_group)
    return path


def test_every_row_is_a_document_whatever_the_row_groups(tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", {"id": list(range(700)), "text": [f"text {n}" for n in range(700)]}, 300)
    read: list[int] = []
    documents = read_all(file, read=read)
    assert [document.text for document in documents] == [f"text {n}" for n in range(700)]
    assert metadata_of(documents[650]) == {"path": "a.parquet", "linenum": 650, "metadata": {"id": 650}}
    assert sum(read) == file.stat().st_size


def test_values_without_a_json_type_become_strings_or_null(tmp_path: Path) -> None:
    columns = {
        "text": ["x"],
        "day": [datetime.date(2024, 5, 17)],
        "raw": [b"\x01\xff"],
        "scores": [[1.5, float("nan")]],
    }
    (document,) = read_all(write(tmp_path / "a.parquet", columns))
    assert metadata_of(document)["metadata"] == {"day": "2024-05-17", "raw": "01ff", "scores": [1.5, None]}


def test_numbers_that_json_lacks_become_null_in_maps_too(tmp_path: Path) -> None:
    kind = pyarrow.map_(pyarrow.string(), pyarrow.float64())
    scores = pyarrow.array([[("good", 1.5), ("bad", float("inf"))]], type=kind)
    pyarrow.parquet.write_table(pyarrow.table({"text": ["x"], "scores": scores}), tmp_path / "a.parquet")
    (document,) = read_all(tmp_path / "a.parquet")
    assert metadata_of(document)["metadata"] == {"scores": [["good", 1.5], ["bad", None]]}


def test_columns_are_chosen_by_name(tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", {"body": ["x"], "id": [1], "url": ["u"]})
    (document,) = read_all(file, text="body", metadata=["url", "absent"])
    assert metadata_of(document)["metadata"] == {"url": "u"}


def test_a_missing_text_column_is_named_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"a\.parquet: no column 'text', found 'body', 'id'"):
        read_all(write(tmp_path / "a.parquet", {"body": ["x"], "id": [1]}))


def test_a_text_column_of_another_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="column 'text' has type int64, expected string"):
        read_all(write(tmp_path / "a.parquet", {"text": [1]}))


def test_a_row_without_text_is_named_or_skipped(tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", {"text": ["x", None, "y"]})
    with pytest.raises(BadDocumentError, match=r"a\.parquet:2: field 'text' is null, expected a string"):
        read_all(file)
    bad = BadDocuments(skip=True)
    assert [document.text for document in read_all(file, bad=bad)] == ["x", "y"]
    assert bad.count == 1


@pytest.mark.parametrize("content", [b"", b"no parquet at all", b"PAR1 and then nothing"])
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.parquet"
    file.write_bytes(content)
    with pytest.raises(SourceError, match="truncated or corrupt Parquet file"):
        read_all(file)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", {"text": [f"text {n}" for n in range(1000)]})
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(SourceError, match="truncated or corrupt Parquet file"):
        read_all(file)


def test_a_column_whose_name_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", {"text": ["x"], "qqqq": [1]})
    path.write_bytes(path.read_bytes().replace(b"qqqq", b"q\xba\xbaq"))
    with pytest.raises(SourceError, match="not UTF-8"):
        read_all(path)
