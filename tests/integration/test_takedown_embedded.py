"""Takedowns in this process: by a file, by what the index itself says, and on the command line."""

from pathlib import Path

import pytest
from click.testing import CliRunner

import headwater
from coordinator.errors import ConfigurationError, DocumentNotFoundError
from coordinator.takedown_list import KeptTakedown, TakedownList
from headwater.cli import cli
from index_format.manifest import IndexManifest
from index_format.takedowns import DocumentTarget, SourceTarget
from indexing.living.remove import remove_documents
from tests.tiny_index import write_index

TEXTS = ["the cat sat on the mat", "the dog sat on the log", "a cat and a dog"]


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return write_index(tmp_path / "index", [TEXTS])


def written(path: Path, *takedowns: KeptTakedown) -> Path:
    path.write_bytes(TakedownList(1, takedowns).to_json())
    return path


def document(index: Path, number: int, corpus: str = "pre") -> KeptTakedown:
    target = DocumentTarget(IndexManifest.load(index).index_id, 0, number)
    return KeptTakedown(f"t-{number}", target, (corpus,))


def test_a_takedown_file_is_obeyed_by_every_call(index: Path, tmp_path: Path) -> None:
    takedowns = written(tmp_path / "takedowns.json", document(index, 0))
    with headwater.open(index, takedowns=takedowns) as opened:
        count = opened.count("sat on the")
        assert (count.count, count.withheld.occurrences) == (1, 1)
        assert opened.count("the cat").count == 0
        with pytest.raises(DocumentNotFoundError, match="document default:0:0 was withdrawn"):
            opened.document("default:0:0")
        assert opened.document("default:0:1").text == TEXTS[1]
        assert opened.describe().corpora[0].num_documents == 3
    with headwater.open(index) as opened:
        assert opened.count("sat on the").withheld.occurrences == 0
        assert opened.document("default:0:0").text == TEXTS[0]


def test_a_takedown_concerns_the_corpora_that_it_names(index: Path, tmp_path: Path) -> None:
    takedowns = written(tmp_path / "takedowns.json", KeptTakedown("all", SourceTarget("tiny"), ("post",)))
    with headwater.open({"pre": index, "post": index}, takedowns=takedowns) as opened:
        assert opened.count("sat on the", corpora=["pre"]).count == 2
        assert opened.count("sat on the", corpora=["post"]).count == 0
    with headwater.open(index, takedowns=takedowns) as opened:
        assert opened.count("sat on the").count == 0


def test_what_is_removed_from_an_index_is_not_found_in_it(index: Path) -> None:
    remove_documents(index, ids=["0:1"])
    with headwater.open(index) as opened:
        assert opened.count("sat on the").count == 1
        assert [str(found.id) for found in opened.trace("the dog sat on the log").documents] != ["default:0:1"]
    remove_documents(index, undo=True)
    with headwater.open(index) as opened:
        assert opened.count("sat on the").count == 2


@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"version": 1, "epoch": 1, "takedowns": [{"id": "a"}]}'])
def test_an_index_is_not_opened_without_the_takedowns_that_were_asked_for(
    index: Path, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "takedowns.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=f"^{path}: (cannot read the takedown file|found no file)"):
        headwater.open(index, takedowns=path)


def test_commands_obey_a_takedown_file(index: Path, tmp_path: Path) -> None:
    takedowns = str(written(tmp_path / "takedowns.json", document(index, 0)))
    arguments = ["count", "sat on the", "--index", str(index)]
    assert CliRunner().invoke(cli, arguments).output.split()[0] == "2"
    assert CliRunner().invoke(cli, [*arguments, "--takedowns", takedowns]).output.split()[0] == "1"
    named = ["count", "sat on the", "--index", f"post={index}", "--takedowns", takedowns]
    assert CliRunner().invoke(cli, named).output.split()[0] == "1"  # a document of this index, whatever its name
    of_source = KeptTakedown("t", SourceTarget("tiny"), ("pre",))
    written(tmp_path / "takedowns.json", of_source)
    assert CliRunner().invoke(cli, named).output.split()[0] == "2"
