"""From hidden to gone: what a takedown file takes down is removed from an index, and is in no file of the next one."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from coordinator.takedown_list import KeptTakedown, TakedownList
from headwater.cli import cli
from headwater.takedown_offline import document_target
from index_format.layout import METADATA, TOKENIZED
from index_format.takedowns import DomainTarget, UrlTarget

TEXTS = ["the heron stood", "the heron stood", "the plover ran", "the stilt waded"]
URLS = ["https://a.org/1", "https://a.org/2", "https://www.b.org/3", "https://c.org/4"]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, list(map(str, arguments)))


@pytest.fixture
def index(tmp_path: Path) -> Path:
    corpus = tmp_path / "corpus.jsonl"
    documents = [{"text": text, "url": url} for text, url in zip(TEXTS, URLS, strict=True)]
    corpus.write_text("".join(f"{json.dumps(document)}\n" for document in documents))
    built = run("index", "build", corpus, "--out", tmp_path / "index", "--raw-bytes", "--shards", 1)
    assert built.exit_code == 0, built.output
    return tmp_path / "index"


def test_what_a_file_takes_down_is_removed_and_compacted_away(index: Path, tmp_path: Path) -> None:
    takedowns = (
        KeptTakedown("a", document_target(index, 0, 0), ("pre",)),
        KeptTakedown("b", DomainTarget("b.org")),
        KeptTakedown("c", UrlTarget("HTTPS://C.org:443/4"), ("post",)),
    )
    file = tmp_path / "takedowns.json"
    file.write_bytes(TakedownList(1, takedowns).to_json())
    removed = run("index", "remove", index, "--takedowns", file, "--corpus", "pre")
    assert removed.exit_code == 0, removed.output
    assert "2 documents marked as removed, of 2 named" in removed.stdout
    compacted = tmp_path / "compacted"
    assert run("index", "compact", index, "--out", compacted).exit_code == 0
    shard = compacted / "shard_00000"
    assert b"b.org" not in (shard / METADATA).read_bytes()
    assert (shard / TOKENIZED).read_bytes().count(b"plover") == 0
    # The exact copy is another document here; in the next generation its content is what is taken down.
    again = json.loads(run("index", "remove", compacted, "--takedowns", file, "--corpus", "pre", "--json").stdout)
    assert (again["named"], again["changed"]) == (1, 1)
    final = tmp_path / "final"
    assert run("index", "compact", compacted, "--out", final).exit_code == 0
    none = run("index", "remove", final, "--takedowns", file, "--corpus", "pre")
    assert none.exit_code == 0
    assert "0 documents marked as removed, of 0 named" in none.stdout
    assert "no document of this index is named" in none.stderr
    # Whatever it is called, what concerns another corpus goes too.
    assert "1 document marked" in run("index", "remove", final, "--takedowns", file).stdout


def test_wrong_use_is_told(index: Path, tmp_path: Path) -> None:
    assert "found no file" in run("index", "remove", index, "--takedowns", tmp_path / "no.json").stderr
    assert (
        "--corpus goes with --takedowns" in run("index", "remove", index, "--document", "0:0", "--corpus", "x").stderr
    )
    empty = tmp_path / "empty.json"
    empty.write_bytes(TakedownList(1, ()).to_json())
    assert "--takedowns with some in force" in run("index", "remove", index, "--takedowns", empty).stderr
