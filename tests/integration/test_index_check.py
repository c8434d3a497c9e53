"""``headwater index verify``, ``stats`` and ``plan`` as commands."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from headwater.index_check_command import verify_command
from headwater.index_plan_command import plan_command
from headwater.index_stats_command import stats_command
from index_format.layout import METADATA, TABLE, shard_folder
from tests.integration.index_builds import write_corpus
from tests.tiny_index import byte_level_tokenizer, write_index

TEXTS = ["the cat sat on the mat", "a dog", "the cat sat on the mat", "another <b>dog</b> sat"] * 3


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return write_index(tmp_path / "index", [TEXTS[:7], TEXTS[7:]], byte_level_tokenizer(TEXTS), accelerated=True)


def verify(*arguments: object) -> Result:
    return CliRunner().invoke(verify_command, [str(argument) for argument in arguments])


def break_two_files(directory: Path) -> None:
    for name in (TABLE, METADATA):
        path = directory / shard_folder(1) / name
        path.write_bytes(path.read_bytes()[::-1])


def test_verify_says_what_it_looked_at(directory: Path) -> None:
    done = verify(directory)
    assert done.exit_code == 0, done.output
    assert "is whole: 2 shards" in done.stdout
    assert "--deep also checks" in done.stdout
    deep = verify(directory, "--deep")
    assert deep.exit_code == 0, deep.output
    assert "positions" in deep.stdout
    assert "--deep also checks" not in deep.stdout


def test_a_sample_says_what_it_may_have_missed(directory: Path) -> None:
    done = verify(directory, "--deep", "--sample", "0.5", "--seed", "4", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["verified"], told["sample"], told["seed"], told["problems"]) == (True, 0.5, 4, [])
    by_kind = {kind["kind"]: kind for kind in told["looked_at"]}
    assert 0 < by_kind["positions"]["missed"]["0.01"] < 1
    assert by_kind["shards"]["missed"]["0.01"] == 0
    lines = verify(directory, "--deep", "--sample", "0.5").stdout
    assert "shows no damage" in lines
    assert re.search(r"positions +0\.\d+ if it hit 1\.0%, 0\.\d+ if it hit 0\.1% of them", lines), lines


def test_all_problems_are_printed_and_the_exit_status_is_one(directory: Path) -> None:
    break_two_files(directory)
    done = verify(directory)
    assert done.exit_code == 1
    assert done.stderr.count("Error: ") == 4 + 1
    assert "4 problems found" in done.stderr
    assert "table.0: content has sha256" in done.stderr
    assert "metadata.0: content has sha256" in done.stderr
    told = json.loads(verify(directory, "--json").stdout)
    assert told["verified"] is False
    assert {problem["kind"] for problem in told["problems"]} == {"VerificationError"}


def test_a_sample_without_deep_is_refused(directory: Path) -> None:
    done = verify(directory, "--sample", "0.5")
    assert done.exit_code == 2
    assert "give both" in done.stderr


def stats(*arguments: object) -> Result:
    return CliRunner().invoke(stats_command, [str(argument) for argument in arguments])


def test_stats_prints_figures_and_writes_a_page(directory: Path, tmp_path: Path) -> None:
    done = stats(directory, "--by", "source", "--html", tmp_path / "a.html")
    assert done.exit_code == 0, done.output
    assert "duplicates  9 documents of 12" in done.stdout
    assert "tiny" in done.stdout
    page = (tmp_path / "a.html").read_text()
    assert "&lt;b&gt;" in page
    assert "<b>dog" not in page


def test_stats_as_json_are_all_of_them(directory: Path) -> None:
    told = json.loads(stats(directory, "--json").stdout)
    assert told["duplicates"]["num_documents"] == 9
    assert len(told["repeats"]["lcp_histogram"]) == 256
    assert told["sources"]["field"] == "path"


def test_a_page_that_cannot_be_written_is_told_of_before_the_work(directory: Path, tmp_path: Path) -> None:
    done = stats(directory, "--html", tmp_path / "no" / "a.html")
    assert isinstance(done.exception, OSError)
    assert "stage" not in done.stderr


def plan(*arguments: object) -> Result:
    return CliRunner().invoke(plan_command, [str(argument) for argument in arguments])


def test_a_plan_of_tokens(tmp_path: Path) -> None:
    options = ["--token-width", "4", "--nodes", "12", "--cores", "96", "--memory", "700GB"]
    done = plan("--tokens", "4.6T", *options, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["shards"] == told["advised_shards"]
    assert told["shards"] % 12 == 0
    assert told["parts"] > 1
    assert [stage["stage"] for stage in told["stages"]] == ["tokenize", "assemble", "sort", "merge", "checksums"]
    slower = json.loads(plan("--tokens", "4.6T", *options, "--duplicates", "high", "--json").stdout)
    assert slower["hours"] >= told["hours"]
    lines = plan("--tokens", "4.6T", *options).stdout
    assert "sorted in" in lines
    assert "to merge with the text in memory" in lines


def test_a_plan_of_a_corpus_counts_what_the_build_would(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus.jsonl", TEXTS)
    tokenizer = byte_level_tokenizer(TEXTS)
    (tmp_path / "tokenizer.json").write_bytes(tokenizer.content)
    done = plan("--corpus", corpus, "--tokenizer", tmp_path / "tokenizer.json", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)["corpus"]
    num_tokens = sum(len(ids) + 1 for ids in tokenizer.encode_batch(TEXTS))
    assert (told["num_tokens"], told["num_documents"], told["token_width"]) == (num_tokens, len(TEXTS), 2)
    in_bytes = json.loads(plan("--corpus", corpus, "--raw-bytes", "--json").stdout)["corpus"]
    assert in_bytes["num_tokens"] == sum(len(text.encode()) + 1 for text in TEXTS)


@pytest.mark.parametrize(
    "arguments",
    [[], ["--tokens", "1T", "--corpus", "x"], ["--corpus", "x"], ["--corpus", "x", "--raw-bytes", "--tokenizer", "y"]],
)
def test_a_plan_of_nothing_or_of_two_things_is_refused(arguments: list[str]) -> None:
    done = plan(*arguments)
    assert done.exit_code == 2
    assert "Give --tokens" in done.stderr or "give one of" in done.stderr
