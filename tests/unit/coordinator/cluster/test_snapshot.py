"""What the files of a cluster said at one moment, and whether they still say it."""

from pathlib import Path

import pytest

from coordinator.cluster.snapshot import fingerprint_of, read_cluster
from coordinator.errors import ConfigurationError
from coordinator.values import ShardId
from index_format.errors import IndexNotFoundError
from tests.tiny_index import byte_level_tokenizer, write_index

TEXTS = ("the quick brown fox", "jumps over the lazy dog")


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("indexes")
    tokenizer = byte_level_tokenizer(TEXTS, 300)
    write_index(root / "one", [TEXTS[:1], TEXTS[1:]], tokenizer)
    write_index(root / "two", [TEXTS], tokenizer)
    write_index(root / "foreign", [TEXTS], byte_level_tokenizer(("nothing", "of", "this"), 270))
    return root


def cluster_file(tmp_path: Path, indexes: Path, second: str | Path = "two") -> Path:
    """Writes a file of two corpora; a relative ``second`` starts at ``indexes``."""
    path = tmp_path / "cluster.yaml"
    path.write_text(f"""
corpora:
  - {{name: b, stage: late, index: {indexes}/one, shards: [
      {{shard: 1, replicas: ["h:2", "h:3"]}}, {{shard: 0, replicas: ["h:1"]}}]}}
  - {{name: a, display_name: First, index: {indexes / second}, shards: [{{shard: 0, replicas: ["h:1"]}}]}}
""")
    return path


def test_it_holds_corpora_and_the_places_of_their_shards_in_order(tmp_path: Path, indexes: Path) -> None:
    snapshot = read_cluster(cluster_file(tmp_path, indexes))
    assert [(one.name, one.display_name, one.stage) for one in snapshot.corpora] == [
        ("b", "b", "late"),
        ("a", "First", snapshot.corpora[1].index.stage),
    ]
    assert list(snapshot.addresses.items()) == [
        (ShardId("b", 0), ("h:1",)),
        (ShardId("b", 1), ("h:2", "h:3")),
        (ShardId("a", 0), ("h:1",)),
    ]


def test_corpora_of_different_tokenizers_are_refused_by_name(tmp_path: Path, indexes: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"corpus a has the tokenizer \w+, corpus b has"):
        read_cluster(cluster_file(tmp_path, indexes, "foreign"))


def test_an_index_that_is_not_there_is_named(tmp_path: Path, indexes: Path) -> None:
    with pytest.raises(IndexNotFoundError, match="none"):
        read_cluster(cluster_file(tmp_path, indexes, "none"))


def test_a_tokenizer_that_is_open_already_is_taken_if_it_is_the_right_one(tmp_path: Path, indexes: Path) -> None:
    path = cluster_file(tmp_path, indexes)
    first = read_cluster(path)
    assert read_cluster(path, first.tokenizer).tokenizer is first.tokenizer
    other = read_cluster(path, byte_level_tokenizer(("nothing", "of", "this"), 270)).tokenizer
    assert other.sha256 == first.tokenizer.sha256


def test_it_is_current_until_one_of_its_files_changes(tmp_path: Path, indexes: Path) -> None:
    path = cluster_file(tmp_path, indexes)
    snapshot = read_cluster(path)
    assert snapshot.is_current()
    content = path.read_text()
    path.write_text(content + "# another line\n")
    assert not snapshot.is_current()
    path.write_text(content)
    assert snapshot.is_current()


def test_a_manifest_that_changes_is_seen(tmp_path: Path, indexes: Path) -> None:
    index = tmp_path / "two"
    write_index(index, [TEXTS], byte_level_tokenizer(TEXTS, 300))
    snapshot = read_cluster(cluster_file(tmp_path, indexes, index))
    assert snapshot.is_current()
    manifest = (index / "index.json").read_text()
    (index / "index.json").write_text(manifest + "\n")
    assert not snapshot.is_current()


def test_a_file_that_is_gone_has_a_fingerprint_too(tmp_path: Path) -> None:
    file = tmp_path / "file"
    gone = fingerprint_of([file])
    assert gone == fingerprint_of([file])
    file.write_bytes(b"")
    assert fingerprint_of([file]) != gone


def test_content_does_not_flow_from_one_file_into_the_next(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"ab")
    second.write_bytes(b"c")
    before = fingerprint_of([first, second])
    first.write_bytes(b"a")
    second.write_bytes(b"bc")
    assert fingerprint_of([first, second]) != before
