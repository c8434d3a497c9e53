"""The cluster file: what it says, and what is refused before any connection is made."""

from pathlib import Path

import pytest

from coordinator.cluster.cluster_file import check_places, load_cluster_file
from coordinator.errors import ConfigurationError
from index_format.manifest import IndexManifest

INDEX = IndexManifest(1, "id", 2, 2, 100, 10, "tokenizer.json", "f" * 64, 300, "", "", "")
ONE = "corpora: [{name: a, index: /i, shards: [{shard: 0, replicas: ['h:1']}]}]\n"


def write(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


def test_the_file_of_the_page_is_read(tmp_path: Path) -> None:
    content = """
corpora:
  - name: pretraining
    display_name: Pre-training
    stage: pre-training
    index: ../indexes/pre
    shards:
      - {shard: 1, replicas: ["10.0.0.2:7001", "10.0.1.2:7001"]}
      - {shard: 0, replicas: ["10.0.0.1:7001", "Node-1.Example:07001", "[::1]:7001"]}
  - {name: mid_2, index: /srv/mid, shards: [{shard: 0, replicas: ["10.0.0.1:7001"]}]}
"""
    first, second = load_cluster_file(write(tmp_path / "c.yaml", content)).corpora
    assert (first.name, first.display_name, first.stage) == ("pretraining", "Pre-training", "pre-training")
    assert first.index == (tmp_path / "../indexes/pre").resolve()
    assert [places.shard for places in first.shards] == [1, 0]
    assert first.shards[1].replicas == ("10.0.0.1:7001", "node-1.example:7001", "[::1]:7001")
    assert (second.name, second.display_name, second.stage) == ("mid_2", "", None)
    assert second.index == Path("/srv/mid")
    check_places(first, INDEX)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot read the cluster file"),
        ("a: 2001-99-99", "cannot read the cluster file"),
        (ONE.replace("index: /i", r'index: "\ud800"'), "at no path"),
        (ONE.replace("index: /i", r'index: "\0"'), "at no path"),
        ("", "file: Input should be"),
        ("[1]", "file: Input should be"),
        ("corpora: []\n", "corpora: "),
        (ONE + "colour: blue\n", "colour: unknown field"),
        (ONE.replace("name: a,", ""), r"corpora\.0\.name: Field required"),
        (ONE.replace("index: /i,", ""), r"corpora\.0\.index: Field required"),
        (ONE.replace("name: a", "name: A"), r"corpora\.0\.name: .*found 'A'"),
        (ONE.replace("name: a", "name: 'a:b'"), r"corpora\.0\.name: .*found 'a:b'"),
        (ONE.replace("name: a", f"name: {'a' * 64}"), r"corpora\.0\.name: "),
        (ONE.replace("name: a", "name: a, weight: 2"), r"corpora\.0\.weight: unknown field"),
        (ONE.replace("['h:1']", "[]"), r"corpora\.0\.shards\.0\.replicas: "),
        (ONE.replace("['h:1']", "h:1"), r"corpora\.0\.shards\.0\.replicas: "),
        (ONE.replace("'h:1'", "'h'"), r"replicas\.0: .*'h' is not host:port"),
        (ONE.replace("'h:1'", "'h:0'"), r"replicas\.0: .*port 0"),
        (ONE.replace("'h:1'", "'h:70000'"), r"replicas\.0: .*'h:70000'"),
        (ONE.replace("'h:1'", "'::1:7001'"), r"replicas\.0: .*needs brackets"),
        (ONE.replace("'h:1'", "'dns:///h:1'"), r"replicas\.0: .*is not host:port"),
        (ONE.replace("'h:1'", "'a b:1'"), r"replicas\.0: .*is not host:port"),
        (ONE.replace("'h:1'", "'h:1', 'H:01'"), r"shard 0 has the replica h:1 twice"),
        (ONE.replace("shard: 0", "shard: -1"), r"corpora\.0\.shards\.0\.shard: .*found -1"),
        (ONE.replace("replicas: ['h:1']", "address: 'h:1'"), r"address: unknown field; a shard names its servers as"),
        (ONE.replace("]\n", ", {name: a, index: /j, shards: [{shard: 0, replicas: ['h:1']}]}]\n"), "named a;"),
        ("index: /i\nshards: [{shard: 0, address: 'h:1'}]\n", r"found 'index' at the top, expected 'corpora', a list"),
    ],
)
def test_a_wrong_file_is_named_with_its_fault(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"c\.yaml: .*{message}"):
        load_cluster_file(write(tmp_path / "c.yaml", content))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.yaml: cannot read the cluster file"):
        load_cluster_file(tmp_path / "none.yaml")


@pytest.mark.parametrize("numbers", [(0,), (0, 0), (0, 1, 2), (1, 2)])
def test_every_shard_stands_in_the_file_exactly_once(tmp_path: Path, numbers: tuple[int, ...]) -> None:
    shards = ", ".join(f"{{shard: {number}, replicas: ['h:1']}}" for number in numbers)
    path = write(tmp_path / "c.yaml", f"corpora: [{{name: a, index: /i, shards: [{shards}]}}]")
    (corpus,) = load_cluster_file(path).corpora
    with pytest.raises(ConfigurationError, match=r"corpus a has shards \[.*\], expected each of 0 to 1 once"):
        check_places(corpus, INDEX)
