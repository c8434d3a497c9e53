import json
from pathlib import Path

import numpy as np
import pytest

from index_format.layout import METADATA, METAOFF, shard_folder
from index_format.manifest import IndexManifest, ShardManifest
from indexing.errors import PlanError
from indexing.living.selection import Condition, documents_of_ids, documents_where
from tests.tiny_index import write_index

TEXTS = [["one", "two", "three"], ["four"]]


@pytest.fixture
def shards(tmp_path: Path) -> list[ShardManifest]:
    return IndexManifest.load(write_index(tmp_path, TEXTS)).load_shards(tmp_path)


def as_lists(documents: list[np.ndarray]) -> list[list[int]]:
    return [numbers.tolist() for numbers in documents]


def test_ids_name_documents_of_shards_in_any_order_and_twice(shards: list[ShardManifest]) -> None:
    assert as_lists(documents_of_ids(["a:b:1:0", "a:b:0:2", "0:1", "a:b:0:2"], shards)) == [[1, 2], [0]]
    assert as_lists(documents_of_ids([], shards)) == [[], []]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["default:2:0"], "the index has shards 0 to 1"),
        (["default:0:3"], "shard 0 has documents 0 to 2"),
        (["default:0"], "no document id"),
        (["7"], "no document id"),
        (["default:0:-1"], "no document id"),
        (["default:0:\u00b2"], "no document id"),
        ([""], "no document id"),
        (["one:0:0", "two:0:0"], "'two:0:0' is of another corpus than 'one'"),
    ],
)
def test_an_id_that_names_no_document_is_refused(shards: list[ShardManifest], ids: list[str], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        documents_of_ids(ids, shards)


LINE = {
    "path": "a/b.jsonl",
    "linenum": 7,
    "metadata": {"source": "wiki", "n": 3, "ok": True, "path": "inner", "a": {"b": "deep", "c": None}, "x.y": "flat"},
}


@pytest.mark.parametrize(
    ("written", "holds"),
    [
        ("source=wiki", True),
        ("source=wik", False),
        ("metadata.source=wiki", True),
        ("absent=", False),
        ("n=3", True),
        ("n=3.0", False),
        ("ok=true", True),
        ("path=a/b.jsonl", True),
        ("path=inner", False),
        ("metadata.path=inner", True),
        ("linenum=7", True),
        ("a.b=deep", True),
        ("a.c=null", True),
        ("a.b.c=deep", False),
        ("x.y=flat", True),
        ("source=a=b", False),
    ],
)
def test_a_condition_looks_up_a_field_and_compares_it(written: str, holds: bool) -> None:
    assert Condition.parse(written).holds(LINE) is holds


@pytest.mark.parametrize("written", ["source", "=wiki", ""])
def test_what_is_no_condition_is_refused(written: str) -> None:
    with pytest.raises(PlanError, match="expected FIELD=VALUE"):
        Condition.parse(written)


def test_documents_are_found_by_conditions_that_all_hold(tmp_path: Path, shards: list[ShardManifest]) -> None:
    def where(*written: str) -> list[list[int]]:
        return as_lists(documents_where(tmp_path, shards, [Condition.parse(one) for one in written]))

    assert where("source=tiny") == [[0, 1, 2], [0]]
    assert where("source=tiny", "linenum=0") == [[0], [0]]
    assert where("path=part-0.jsonl", "linenum=2") == [[2], []]
    assert where("path=part-0.jsonl", "linenum=3") == [[], []]


def test_a_field_that_no_document_has_is_an_error_that_names_those_there(
    tmp_path: Path, shards: list[ShardManifest]
) -> None:
    write_metadata(tmp_path, 1, {"a": {"b": 1}, "x": 2})

    def where(*written: str) -> list[list[int]]:
        return as_lists(documents_where(tmp_path, shards, [Condition.parse(one) for one in written]))

    assert where("source=nowhere", "x=9") == [[], []]  # each is somewhere, though not in every document
    with pytest.raises(PlanError, match=r": no document has a field 'sorce', found path, linenum, source, a, a\.b, x$"):
        where("x=2", "sorce=tiny")
    with pytest.raises(PlanError, match=r"no document has a field 'metadata\.path', found"):
        where("metadata.path=part-0.jsonl")
    write_metadata(tmp_path, 1, {f"field {number}": number for number in range(100)})
    with pytest.raises(PlanError, match=r"found path, linenum, source, field 0, .*, field 16, \.\.\.$"):
        where("sorce=tiny")


def write_metadata(directory: Path, shard: int, metadata: dict[str, object]) -> None:
    """Gives a shard of one document this metadata."""
    line = {"path": "a.jsonl", "linenum": 0, "metadata": metadata}
    (directory / shard_folder(shard) / METADATA).write_text(json.dumps(line) + "\n")


def test_a_metadata_line_that_is_none_is_named(tmp_path: Path, shards: list[ShardManifest]) -> None:
    path = tmp_path / shard_folder(1) / METADATA
    for content, message in (
        (b"{\n", "metadata.0:1: not JSON"),
        (b"[]\n", "metadata.0:1: list, expected a JSON object"),
    ):
        path.write_bytes(content)
        with pytest.raises(PlanError, match=message):
            documents_where(tmp_path, shards, [Condition.parse("source=tiny")])


def test_without_metadata_documents_have_no_fields(tmp_path: Path, shards: list[ShardManifest]) -> None:
    manifest = json.loads((tmp_path / shard_folder(0) / "shard.json").read_text())
    for name in (METADATA, METAOFF):
        del manifest["files"][name]
    (tmp_path / shard_folder(0) / "shard.json").write_text(json.dumps(manifest))
    bare = [ShardManifest.load(tmp_path / shard_folder(0))]
    with pytest.raises(PlanError, match="the shard has no metadata"):
        documents_where(tmp_path, bare, [Condition.parse("source=tiny")])
