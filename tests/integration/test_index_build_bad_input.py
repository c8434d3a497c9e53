"""`headwater index build` on input it cannot use: one clear line, exit code 1 (usage: 2), and nothing left behind."""

import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import indexing
from headwater.index_command import index
from tests.integration.index_builds import make_texts, plan_of, run_index_command, tree_of, write_corpus
from tests.tiny_index import byte_level_tokenizer

TEXTS = make_texts(10)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "corpus" / "a.jsonl", TEXTS)


def refused(out: Path, *arguments: str | Path) -> str:
    """Runs a build that must fail and returns its message."""
    before = sorted(out.parent.rglob("*"))
    result = CliRunner().invoke(index, ["build", *map(str, arguments), "--out", str(out)])
    assert result.exit_code != 0, result.output
    assert sorted(out.parent.rglob("*")) == before
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return str(result.exception)  # the outer command makes one line of it; see the test of the process below
    return result.stderr


def test_a_bad_line_ends_the_command_with_one_line_and_exit_code_one(tmp_path: Path, source: Path) -> None:
    with source.open("a") as file:
        file.write('{"text": broken}\n')
    code, out, err = run_index_command("build", source, "--out", tmp_path / "index", "--raw-bytes")
    assert (code, out) == (1, "")
    assert f"{source}:{len(TEXTS) + 1}: not valid JSON" in err.splitlines()[-1]
    assert "--skip-bad-lines" in err
    assert "Traceback" not in err
    assert not (tmp_path / "index").exists()


def test_bad_lines_are_skipped_and_counted_on_demand(tmp_path: Path, source: Path) -> None:
    with source.open("ab") as file:
        file.write(b'{"text": broken}\n{"body": "x"}\n{"text": "\xff"}\n{"text": "x", "title": "\\ud800"}\n')
    arguments = ["build", source, "--out", tmp_path / "index", "--raw-bytes", "--skip-bad-lines", "--json"]
    code, out, err = run_index_command(*arguments)
    assert code == 0, err
    assert (json.loads(out)["num_documents"], json.loads(out)["skipped_bad"]) == (len(TEXTS), 4)


def test_a_missing_text_field_names_those_found(tmp_path: Path, source: Path) -> None:
    message = refused(tmp_path / "index", source, "--raw-bytes", "--text-field", "body")
    assert "a.jsonl:1: no field 'body', found 'text', 'number'; name the text field with --text-field" in message


def test_an_unknown_file_type_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"x")
    assert "a.pdf: unknown file type" in refused(tmp_path / "index", tmp_path / "a.pdf", "--raw-bytes")


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    content = gzip.compress(json.dumps({"text": "x" * 1000}).encode())
    (tmp_path / "a.jsonl.gz").write_bytes(content[:-10])
    message = refused(tmp_path / "index", tmp_path / "a.jsonl.gz", "--raw-bytes")
    assert "a.jsonl.gz: truncated or corrupt .gz file" in message


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    assert "absent: no such file or folder" in refused(tmp_path / "index", tmp_path / "absent", "--raw-bytes")


def test_a_corpus_of_no_documents_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n\n")
    assert "no document with a token" in refused(tmp_path / "index", tmp_path / "a.jsonl", "--raw-bytes")


def test_more_shards_than_documents_are_refused(tmp_path: Path, source: Path) -> None:
    message = refused(tmp_path / "index", source, "--raw-bytes", "--shards", "11")
    assert "10 documents cannot fill 11 shards" in message


@pytest.mark.parametrize("word", ["tokenized", "table", "offset", "metadata", "metaoff", "unigram"])
def test_a_path_by_which_infini_gram_would_be_misled_is_refused(tmp_path: Path, source: Path, word: str) -> None:
    message = refused(tmp_path / f"my-{word}s" / "index", source, "--raw-bytes")
    assert f"the path holds the word {word!r}" in message


def test_a_directory_that_is_not_empty_is_refused(tmp_path: Path, source: Path) -> None:
    assert "the directory is not empty" in refused(source.parent, source, "--raw-bytes")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read the tokenizer (No such file or directory)"),
        (b'{"not": "a tokenizer"}', "not a tokenizer.json file"),
        (byte_level_tokenizer(TEXTS).content[:-100], "not a tokenizer.json file"),
    ],
    ids=["missing", "foreign", "truncated"],
)
def test_a_tokenizer_that_cannot_be_used_is_named(
    tmp_path: Path, source: Path, content: bytes | None, message: str
) -> None:
    file = tmp_path / "tokenizer.json"
    if content is not None:
        file.write_bytes(content)
    found = refused(tmp_path / "index", source, "--tokenizer", file)
    assert f"{file}: {message}" in found


def test_memory_that_no_build_can_do_with_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "a.jsonl", make_texts(3000, words=400))
    message = refused(tmp_path / "index", source, "--raw-bytes", "--memory", "1MiB")
    assert "may use 1 MiB of memory, the least they can do with is 256 MiB; allow more (--memory)" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--raw-bytes", "--train-tokenizer", "300"], "Give one of --tokenizer, --train-tokenizer and --raw-bytes."),
        (["--raw-bytes", "--memory", "lots"], "'lots' is not a size"),
        (["--raw-bytes", "--memory", "9" * 320], "more than any machine has"),
        (["--raw-bytes", "--memory", "0.1"], "memory of 0 bytes, expected more than 0"),
        (["--raw-bytes", "--threads", "1025"], "1025 is not in the range 0<=x<=1024"),
        (["--raw-bytes", "--shards", "0"], "0 is not in the range"),
        (["--raw-bytes", "--metadata-field", "text"], "field 'text' is the text"),
        (["--train-tokenizer", "10"], "vocabulary of 10 to train, expected 256"),
        (["--train-tokenizer", str(1 << 64)], f"vocabulary of {1 << 64} to train, expected 256"),
    ],
)
def test_wrong_usage_ends_with_exit_code_two(tmp_path: Path, source: Path, arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(index, ["build", str(source), "--out", str(tmp_path / "index"), *arguments])
    assert result.exit_code == 2
    assert message in result.stderr


def test_more_threads_than_a_machine_has_are_refused_by_verify_too(tmp_path: Path) -> None:
    result = CliRunner().invoke(index, ["verify", str(tmp_path), "--threads", "1025"])
    assert result.exit_code == 2
    assert "1025 is not in the range 0<=x<=1024" in result.stderr


def test_a_full_disk_while_writing_leaves_nothing(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "a.jsonl", make_texts(2000, words=200))
    code, _, err = run_index_command("build", source, "--out", tmp_path / "index", "--raw-bytes", limit_bytes=100 << 10)
    assert code == 1, err
    assert "no room left on the disk (File too large); what was written is removed" in err
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


def test_a_full_disk_while_sorting_keeps_what_is_done_for_when_there_is_room(tmp_path: Path) -> None:
    # One byte a token, but three an entry of the table: only the table is over the limit.
    source = write_corpus(tmp_path / "a.jsonl", make_texts(1000, words=200))
    size = source.stat().st_size
    command = ["build", source, "--out", tmp_path / "index", "--raw-bytes"]
    for _ in range(2):
        code, _, err = run_index_command(*command, limit_bytes=size * 3 // 2)
        assert code == 1, err
        assert "the shard could not be sorted" in err
        assert "table.0" in err
        assert "the disk is full; what is done is kept: free some and run the same command again to go on" in err
        assert not (tmp_path / "index" / "index.json").exists()
    assert "going on with a build that was interrupted" in err
    code, _, err = run_index_command(*command)
    assert code == 0, err
    indexing.build(plan_of(source, tmp_path / "undisturbed"))
    assert tree_of(tmp_path / "index") == tree_of(tmp_path / "undisturbed")
