import json
from pathlib import Path

import pytest

import indexing.documents
from indexing.documents import Document, RecordPlace, batches_of, make_document
from indexing.errors import BadDocumentError

PLACE = RecordPlace(Path("corpus/a.jsonl"), "a.jsonl", 4)


def documents(*lengths: int) -> list[Document]:
    return [Document("x" * length, length, "{}") for length in lengths]


def test_batches_end_once_they_are_long_enough_or_many_enough() -> None:
    batches = batches_of(iter(documents(5, 5, 1, 1, 1, 20, 1)), max_characters=10, max_documents=3)
    assert [[len(document.text) for document in batch] for batch in batches] == [[5, 5], [1, 1, 1], [20], [1]]


def test_no_documents_make_no_batch() -> None:
    assert list(batches_of(iter([]), 10, 3)) == []


def test_a_document_over_the_limit_is_named_with_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing.documents, "MAX_DOCUMENT_BYTES", 10)
    assert make_document("\u00e9" * 5, {}, PLACE).text_bytes == 10
    with pytest.raises(BadDocumentError, match=r"a\.jsonl:5: document of 12 bytes, expected at most 10"):
        make_document("\u00e9" * 6, {}, PLACE)


@pytest.mark.parametrize("metadata", [{"title": "a\ud800"}, {"deep": [{"\udfff": 1}]}], ids=["value", "name"])
def test_half_a_surrogate_pair_in_metadata_is_refused(metadata: dict[str, object]) -> None:
    with pytest.raises(BadDocumentError, match=r"a\.jsonl:5: the metadata has half a surrogate pair \(\\ud"):
        make_document("x", metadata, PLACE)


def test_whole_surrogate_pairs_and_what_only_looks_like_half_of_one_are_kept() -> None:
    metadata = {"title": "\U0001f600", "code": "\\ud800"}
    assert json.loads(make_document("x", metadata, PLACE).metadata_line)["metadata"] == metadata
