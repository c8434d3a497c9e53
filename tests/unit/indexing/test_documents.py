import json
from pathlib import Path

import numpy as np
import pytest

import indexing.documents
from indexing.documents import DocumentFields, RecordPlace, make_document, tokenized_document
from indexing.errors import BadDocumentError

PLACE = RecordPlace(Path("corpus/a.jsonl"), "a.jsonl", 4)


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


FIELDS = DocumentFields("text", None, end_of_ids=100)


def test_tokens_are_checked_against_the_vocabulary() -> None:
    document = tokenized_document(np.array([0, 99], dtype=np.int64), {"n": 1}, PLACE, FIELDS)
    assert document.token_ids is not None
    assert document.token_ids.tolist() == [0, 99]
    assert document.token_ids.dtype == np.uint32
    with pytest.raises(
        BadDocumentError, match=r"a\.jsonl:5: token id 100 at place 1 .*, the vocabulary has ids 0 to 99"
    ):
        tokenized_document(np.array([1, 100, -1]), {}, PLACE, FIELDS)
    with pytest.raises(BadDocumentError, match="token id -1 at place 0"):
        tokenized_document(np.array([-1, 5]), {}, PLACE, FIELDS)


def test_tokens_over_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing.documents, "MAX_DOCUMENT_BYTES", 10)
    assert tokenized_document(np.ones(5, dtype=np.uint16), {}, PLACE, FIELDS).length == 20
    with pytest.raises(BadDocumentError, match=r"document of 6 token ids, expected at most 5; .*--document-separator"):
        tokenized_document(np.ones(6, dtype=np.uint16), {}, PLACE, FIELDS)
