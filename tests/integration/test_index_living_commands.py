"""``headwater index add|remove|compact|merge-shards|import|export`` as they are typed."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import indexing
from headwater.cli import cli
from index_format.layout import INDEX_MANIFEST
from index_format.manifest import IndexManifest
from tests.integration.index_builds import make_texts, plan_of, run_index_command, write_corpus

OLD, NEW = make_texts(20, seed=1), make_texts(10, seed=2)


@pytest.fixture
def index(tmp_path: Path) -> Path:
    source = write_corpus(tmp_path / "old.jsonl", OLD)
    code, _, error = run_index_command("build", source, "--out", tmp_path / "index", "--raw-bytes", "--shards", "2")
    assert code == 0, error
    return tmp_path / "index"


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index that no test changes."""
    root = tmp_path_factory.mktemp("unchanged")
    indexing.build(plan_of(write_corpus(root / "old.jsonl", OLD), root / "index", 2))
    return root / "index"


def run(*arguments: str | Path) -> str:
    """Runs a command that succeeds and returns what it prints."""
    code, out, error = run_index_command(*arguments)
    assert code == 0, error
    return out


def run_json(*arguments: str | Path) -> dict[str, object]:
    found = json.loads(run(*arguments, "--json"))
    assert isinstance(found, dict)
    return found


def test_an_index_lives_through_every_change(index: Path, tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "new.jsonl", NEW)
    added = run("add", index, source)
    assert "generation 1" in added
    assert f"{len(NEW)} documents in 1 new shard" in added
    removed = run("remove", index, "--where", "number=3", "--document", "default:0:0")
    assert "3 documents marked as removed, of 3 named" in removed
    assert "Searches do not find them from the next opening on" in removed
    assert "removed     3 documents; searches do not find them" in run("info", index)
    undone = run("remove", index, "--undo", "--document", "0:0")
    assert "1 document no longer marked as removed, of 1 named" in undone
    assert "2 of 30 documents, generation 3" in undone
    compacted = run("compact", index, "--out", tmp_path / "compact")
    assert "28 (2 left out)" in compacted
    assert "3: 2 written, 1 linked" in compacted
    assert "28 (0 left out)" in run("merge-shards", tmp_path / "compact", "--shards", "1", "--out", tmp_path / "one")
    exported = run("export", tmp_path / "one", "--out", tmp_path / "out", "--copy")
    assert "5 copies" in exported
    assert "token_dtype='u8'" in exported
    imported = run("import", tmp_path / "out", "--out", tmp_path / "again", "--raw-bytes", "--verify")
    assert "28, " in imported
    assert "checked to the last byte" in imported
    assert "6 hard links" not in imported  # infini-gram misreads the counts of bytes: these were counted
    assert "tokens of 1 shard, which had no counts" in imported
    run("verify", tmp_path / "again", "--deep")


def test_every_change_is_told_as_json(index: Path, tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "new.jsonl", NEW)
    added = run_json("add", index, source, "--shards", "2", "--threads", "1")
    assert added["new_shards"] == [2, 3]
    ids = tmp_path / "ids.txt"
    ids.write_text("default:0:1\n\ndefault:3:0\n")
    index_id = IndexManifest.load(index).index_id
    removed = run_json("remove", index, "--ids-from", ids, "--index-id", index_id)
    assert (removed["named"], removed["removed_documents"], removed["undo"]) == (2, 2, False)
    compacted = run_json("compact", index, "--out", tmp_path / "compact", "--memory", "1GiB")
    assert (compacted["left_out"], compacted["rewritten"], compacted["linked"]) == (2, 2, 2)
    merged = run_json("merge-shards", index, "--shards", "1", "--out", tmp_path / "one", "--no-accelerate")
    assert merged["left_out"] == 2
    exported = run_json("export", tmp_path / "one", "--out", tmp_path / "out", "--layout", "v6")
    assert exported["links"] == {"hard": 5}
    imported = run_json("import", tmp_path / "out", "--out", tmp_path / "again", "--raw-bytes", "--source", "theirs")
    assert imported["links"] == {"hard": 5}
    assert imported["counted"] == [0]
    assert IndexManifest.load(tmp_path / "again").source == "theirs"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("add", "{index}", "{root}/nowhere.jsonl"), "nowhere.jsonl"),
        (("add", "{root}", "{root}/old.jsonl"), "index.json: not found"),
        (("remove", "{index}"), "Give --document, --ids-from, --where or --takedowns"),
        (("remove", "{index}", "--where", "source"), "expected FIELD=VALUE"),
        (("remove", "{index}", "--where", "sorce=web"), "no document has a field 'sorce', found path, linenum, number"),
        (("remove", "{index}", "--document", "default:9:0"), "the index has shards 0 to 1"),
        (("remove", "{index}", "--document", "0:0", "--index-id", "abc"), "the documents named are of index abc"),
        (("compact", "{index}", "--out", "{root}/new"), "no document is removed"),
        (("merge-shards", "{index}", "--shards", "1", "--out", "{index}"), "holds an index"),
        (("merge-shards", "{index}", "--shards", "99", "--out", "{root}/new"), "20 documents cannot fill 99 shards"),
        (("import", "{root}", "--out", "{root}/new"), "Give one of --tokenizer and --raw-bytes"),
        (("import", "{index}", "--out", "{root}/new", "--raw-bytes"), "it is an index of ours"),
        (("export", "{index}", "--out", "{root}/table"), "the path holds the word 'table'"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_changes_nothing(
    arguments: tuple[str, ...], message: str, unchanged: Path
) -> None:
    root = unchanged.parent
    before = (unchanged / INDEX_MANIFEST).read_bytes()
    filled = ["index", *(argument.format(index=unchanged, root=root) for argument in arguments)]
    result = CliRunner().invoke(cli, filled)
    assert result.exit_code in (1, 2)
    assert result.stdout == ""
    assert message in " ".join(result.stderr.split())
    assert (unchanged / INDEX_MANIFEST).read_bytes() == before
    assert not (root / "new").exists()
