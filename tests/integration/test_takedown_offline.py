"""What a takedown would concern in a directory: documents with their content, and near copies over all shards."""

import random
from pathlib import Path

import pytest

from coordinator.errors import DocumentNotFoundError
from headwater.takedown_offline import document_target, preview
from index_format.takedowns import ContentTarget, SourceTarget
from indexing.living.remove import remove_documents
from tests.tiny_index import write_index

ORIGINAL = "".join(random.Random(1).choices("abcdefgh", k=300))
EDITED = ORIGINAL[:150] + "-------" + ORIGINAL[150:]
HALF = "!" * 100 + ORIGINAL[:150]


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return write_index(tmp_path / "index", [[ORIGINAL, "other " * 30], [EDITED, HALF, ORIGINAL]])


def test_a_document_is_told_with_its_content(index: Path) -> None:
    target = document_target(index, 1, 0)
    assert target.content is not None
    assert (target.shard, target.number, target.content.num_tokens) == (1, 0, len(EDITED))
    found = preview(index, target, 10)
    assert [(document.id, document.source) for document in found.documents] == [("default:1:0", "tiny")]
    assert found.documents[0].content_sha256 == target.content.sha256
    for shard, number in ((0, 2), (2, 0), (-1, 0)):
        with pytest.raises(DocumentNotFoundError, match=f"document {shard}:{number}: "):
            document_target(index, shard, number)


def test_near_copies_are_looked_for_in_every_shard(index: Path) -> None:
    found = preview(index, document_target(index, 0, 0), 10, min_copied_share=0.3, corpus="pre")
    assert [copy.id for copy in found.near_copies] == ["pre:1:2", "pre:1:0", "pre:1:1"]
    assert found.near_copies[0].copied_share == 1.0
    remove_documents(index, ids=["1:2"])
    found = preview(index, document_target(index, 0, 0), 1, min_copied_share=0.3)
    assert [copy.id for copy in found.near_copies] == ["default:1:0"]


def test_a_content_and_a_source_concern_several_documents(index: Path) -> None:
    content = document_target(index, 0, 0).content
    assert isinstance(content, ContentTarget)
    found = preview(index, content, 10, min_copied_share=1.0)
    assert [document.id for document in found.documents] == ["default:0:0", "default:1:2"]
    assert found.near_copies == ()
    found = preview(index, SourceTarget("tiny"), 2)
    assert (found.num_documents, len(found.documents)) == (5, 2)
