from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

import indexing.read_token_ids
from indexing.documents import BadDocuments, Document, DocumentFields
from indexing.errors import BadDocumentError, SourceError
from indexing.reading import read_documents
from indexing.sources import find_corpus
from tests.unit.indexing.reading import metadata_of


def read(
    path: Path, *, bad: BadDocuments | None = None, told: list[int] | None = None, **fields: Any
) -> list[Document]:
    chosen = DocumentFields("text", fields.pop("metadata", None), end_of_ids=50, **fields)
    count = [] if told is None else told
    return list(read_documents(find_corpus([path]), chosen, bad or BadDocuments(skip=False), count.append))


def ids_of(documents: list[Document]) -> list[list[int]]:
    return [[] if document.token_ids is None else document.token_ids.tolist() for document in documents]


def saved(path: Path, ids: object, dtype: str = "<u2") -> Path:
    np.save(path, np.array(ids, dtype=dtype))
    return path


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "<i4", "<u8"])
@pytest.mark.parametrize("block", [1, 2, 100])
def test_documents_of_an_array_lie_between_separators(
    tmp_path: Path, dtype: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing.read_token_ids, "_BLOCK_IDS", block)
    told: list[int] = []
    path = saved(tmp_path / "a.npy", [1, 2, 49, 3, 49, 49, 4, 5, 6, 49], dtype)
    documents = read(path, separator=49, told=told)
    assert ids_of(documents) == [[1, 2], [3], [], [4, 5, 6]]
    assert metadata_of(documents[3]) == {"path": "a.npy", "linenum": 3, "metadata": {}}
    assert sum(told) == path.stat().st_size


def test_the_last_document_needs_no_separator(tmp_path: Path) -> None:
    assert ids_of(read(saved(tmp_path / "a.npy", [1, 49, 2, 3]), separator=49)) == [[1], [2, 3]]
    assert ids_of(read(saved(tmp_path / "b.npy", []), separator=49)) == []


def test_a_row_of_an_array_of_two_dimensions_is_a_document(tmp_path: Path) -> None:
    assert ids_of(read(saved(tmp_path / "a.npy", [[1, 2], [3, 4]]))) == [[1, 2], [3, 4]]


def test_an_id_outside_the_vocabulary_is_named_with_its_file_and_row(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npy", [[1, 2], [3, 50], [5, 6]])
    with pytest.raises(BadDocumentError, match=r"a\.npy:2: token id 50 at place 1 of the document, .* ids 0 to 49"):
        read(path)
    bad = BadDocuments(skip=True)
    assert ids_of(read(path, bad=bad)) == [[1, 2], [5, 6]]
    assert bad.count == 1


@pytest.mark.parametrize(
    ("ids", "dtype", "fields", "message"),
    [
        ([1, 2], "<u2", {}, "1 dimension; name the id that separates its documents with --document-separator"),
        ([[1, 2]], "<u2", {"separator": 1}, "2 dimensions, whose documents are its rows; leave --document-separator"),
        ([1.0, 2.0], "<f4", {}, "1 dimensions of float32, expected an array of 1 or 2 dimensions of whole numbers"),
        ([[[1]]], "<u2", {}, "3 dimensions of uint16"),
        (1, "<u2", {}, "0 dimensions of uint16"),
    ],
)
def test_an_array_of_another_kind_is_refused(
    tmp_path: Path, ids: object, dtype: str, fields: dict[str, int], message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        read(saved(tmp_path / "a.npy", ids, dtype), **fields)


@pytest.mark.parametrize("cut", [0, 5, 100, 129])
def test_a_truncated_array_is_named(tmp_path: Path, cut: int) -> None:
    path = saved(tmp_path / "a.npy", [[1, 2]])
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(SourceError, match=r"a\.npy: truncated or no array of numbers"):
        read(path)


def test_an_array_of_objects_is_not_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(SourceError, match="no array of numbers"):
        read(tmp_path / "a.npy")


def write_parquet(path: Path, ids: pyarrow.Array, **columns: object) -> Path:
    pyarrow.parquet.write_table(pyarrow.table({"ids": ids, **columns}), path, row_group_size=2)
    return path


@pytest.mark.parametrize(
    "kind", [pyarrow.list_(pyarrow.uint16()), pyarrow.large_list(pyarrow.int64()), pyarrow.list_(pyarrow.int32(), 2)]
)
def test_a_list_of_ids_a_row_is_read(tmp_path: Path, kind: pyarrow.DataType) -> None:
    ids = pyarrow.array([[1, 2], [3, 4], [5, 6]], kind)
    path = write_parquet(tmp_path / "a.parquet", ids, text=["x", "y", "z"], n=[7, 8, 9])
    documents = read(path, ids="ids")
    assert ids_of(documents) == [[1, 2], [3, 4], [5, 6]]
    assert metadata_of(documents[2]) == {"path": "a.parquet", "linenum": 2, "metadata": {"n": 9}}
    assert [metadata_of(document)["metadata"] for document in read(path, ids="ids", metadata=())] == [{}] * 3


def test_a_row_of_wrong_or_no_ids_is_named(tmp_path: Path) -> None:
    ids = pyarrow.array([[1], [50], None, [2, None], [], [3]], pyarrow.list_(pyarrow.int64()))
    path = write_parquet(tmp_path / "a.parquet", ids)
    with pytest.raises(BadDocumentError, match=r"a\.parquet:2: token id 50 at place 0"):
        read(path, ids="ids")
    bad = BadDocuments(skip=True)
    assert ids_of(read(path, ids="ids", bad=bad)) == [[1], [], [3]]
    assert [example.split(": ", 1)[1] for example in bad.examples[1:]] == [
        "column 'ids' is null, or has a null in it, expected token ids"
    ] * 2


def test_a_column_without_ids_is_refused(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", pyarrow.array([["x"]]))
    with pytest.raises(SourceError, match=r"column 'ids' has type list<.*string>, expected a list of whole numbers"):
        read(path, ids="ids")
    with pytest.raises(SourceError, match="no column 'tokens', found 'ids'; name the ids column with --ids-field"):
        read(path, ids="tokens")


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '>u8', 'fortran_order': False,",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (18446744073709551616, 4)}",
        "{'descr': '<02', 'fortran_order': False, 'shape': (4,)}",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': ()}",
        "(" * 5000,
    ],
)
def test_a_header_that_makes_no_sense_is_refused(tmp_path: Path, header: str) -> None:
    path = tmp_path / "a.npy"
    content = header.encode() + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(content).to_bytes(2, "little") + content + bytes(16))
    with pytest.raises(SourceError, match=r"a\.npy: "):
        read(path, separator=0)
