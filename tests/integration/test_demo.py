"""The demo: its index is reused only when it is up to date, and the whole of it runs and leaves nothing behind."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from rich.console import Console

import headwater
from headwater import demo_corpus
from headwater.demo_corpus import CorpusDocument
from headwater.demo_index import NUM_SHARDS, prepare_index
from headwater.demo_steps import Steps
from index_format.errors import PathNameError
from indexing.errors import OutputError

_MARK = "HEADWATER_DEMO_TEST"
SENTENCES = ("A list is a mutable sequence.", "A tuple never changes.", "Every key of a dict is hashable.")


@pytest.fixture
def small_corpus(monkeypatch: pytest.MonkeyPatch) -> list[CorpusDocument]:
    """A corpus of a few documents in place of this Python's own; a test may change it."""
    corpus = [
        CorpusDocument(f"{sentence} Number {number}.", "Handbook", f"page-{number}", "", f"page-{number}.txt")
        for number, sentence in enumerate(SENTENCES * 2)
    ]

    def documents(progress: Callable[[int], None]) -> Iterator[CorpusDocument]:
        yield from corpus

    monkeypatch.setattr(demo_corpus, "documents", documents)
    return corpus


def prepare(directory: Path, *, rebuild: bool = False) -> str:
    """Prepares the index and returns what was said."""
    console = Console(file=io.StringIO(), width=100)
    output = prepare_index(directory, Steps(console, total=2), rebuild=rebuild)
    assert output == directory / "index"
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_index_has_three_shards_and_the_metadata_of_its_documents(
    tmp_path: Path, small_corpus: list[CorpusDocument]
) -> None:
    said = prepare(tmp_path / "demo")
    assert "6 documents" in said
    assert "in 3 shards" in said
    with headwater.open(tmp_path / "demo" / "index") as index:
        assert index.describe().corpora[0].num_shards == NUM_SHARDS
        document = index.document("default:1:0")
    assert document.text == small_corpus[1].text
    assert document.metadata["metadata"]["source"] == "Handbook"
    assert document.metadata["metadata"]["title"] == "page-1"


def test_index_that_is_up_to_date_is_kept(tmp_path: Path, small_corpus: list[CorpusDocument]) -> None:
    prepare(tmp_path)
    before = (tmp_path / "index" / "index.json").stat().st_mtime_ns
    assert "up to date" in prepare(tmp_path)
    assert (tmp_path / "index" / "index.json").stat().st_mtime_ns == before


def test_rebuild_builds_anew(tmp_path: Path, small_corpus: list[CorpusDocument]) -> None:
    prepare(tmp_path)
    before = (tmp_path / "index" / "index.json").stat().st_mtime_ns
    assert "up to date" not in prepare(tmp_path, rebuild=True)
    assert (tmp_path / "index" / "index.json").stat().st_mtime_ns != before


def test_index_of_another_corpus_is_built_anew(tmp_path: Path, small_corpus: list[CorpusDocument]) -> None:
    prepare(tmp_path)
    small_corpus.append(CorpusDocument("Sets are new here.", "Handbook", "sets", "", "sets.txt"))
    assert "up to date" not in prepare(tmp_path)
    with headwater.open(tmp_path / "index") as index:
        assert sum(shard.num_documents for shard in index.describe().corpora[0].shards) == 7


def test_damaged_index_is_built_anew(tmp_path: Path, small_corpus: list[CorpusDocument]) -> None:
    prepare(tmp_path)
    (tmp_path / "index" / "shard_00001" / "table.0").write_bytes(b"")
    assert "up to date" not in prepare(tmp_path)


def test_build_that_was_interrupted_is_begun_anew(tmp_path: Path, small_corpus: list[CorpusDocument]) -> None:
    prepare(tmp_path)
    (tmp_path / "built.json").write_text("{}")
    (tmp_path / "index" / "index.json").unlink()
    assert "up to date" not in prepare(tmp_path)


def test_index_of_somebody_else_is_never_replaced(tmp_path: Path, small_corpus: list[CorpusDocument]) -> None:
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "precious").write_text("mine")
    with pytest.raises(OutputError, match="not built by the demo"):
        prepare(tmp_path, rebuild=True)
    assert (tmp_path / "index" / "precious").read_text() == "mine"


def test_path_that_an_index_must_not_have_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(PathNameError, match="'table'"):
        prepare(tmp_path / "a-table")


@pytest.mark.timeout(300)
def test_demo_traces_through_a_real_cluster_and_leaves_nothing_behind(tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    demo = subprocess.run(
        [sys.executable, "-m", "headwater.cli", "demo", "--directory", str(directory)],
        env=os.environ | {_MARK: mark},
        capture_output=True,
        text=True,
        timeout=290,
        check=False,
    )
    assert demo.returncode == 0, demo.stderr
    assert "3 shard servers and a coordinator on Ray" in demo.stdout
    assert "in 3 of 3 shards" in demo.stdout
    assert "⟦The context manager handles the entry into, and the" in demo.stdout
    assert demo.stdout.count("  HIGH  ") == 3
    assert "\x1b" not in demo.stdout
    assert f"trace --index {directory}/index --file {directory}/answer.txt" in demo.stdout
    assert "<!doctype html>" in (directory / "trace.html").read_text()
    assert _processes_with(mark) == []
    _trace_again(directory)


def _trace_again(directory: Path) -> None:
    """Runs the command that the demo recommends: in process, it finds what the cluster found."""
    command = [sys.executable, "-m", "headwater.cli", "trace", "--index", f"{directory}/index", "--json"]
    command += ["--file", f"{directory}/answer.txt", "--prompt-file", f"{directory}/prompt.txt"]
    again = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    trace = json.loads(again.stdout)
    assert len([span for span in trace["spans"] if span["end"] - span["start"] >= 10]) >= 6
    assert {document["id"].rpartition(":")[0] for document in trace["documents"]} == {
        f"default:{shard}" for shard in range(NUM_SHARDS)
    }


def _processes_with(mark: str) -> list[str]:
    """Returns the command lines of the running processes that inherited the mark, whoever their parent is by now."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(_MARK) == mark:
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue  # it ended in the meantime, or is somebody else's
    return found
