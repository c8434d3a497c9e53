"""``headwater trace`` and ``count`` over several corpora, and without some of their shards."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from coordinator.errors import ShardUnavailableError
from coordinator.values import Query, ShardMatches
from headwater.cli import cli
from headwater.embedded_shard import EmbeddedShard
from tests.tiny_index import byte_level_tokenizer, write_index

PRE = ("The lazy dog sleeps near the river bank.", "Every morning the baker sleeps near the river bank.")
POST = ("They say the lazy dog sleeps near the river bank.",)
ANSWER = "They say the lazy dog sleeps near the river bank."


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The flags that name two corpora."""
    place = tmp_path_factory.mktemp("cli")
    pre = write_index(place / "pre", [PRE[:1], PRE[1:]])
    post = write_index(place / "post", [POST])
    return ["--index", f"pre={pre}", "--index", f"post={post}"]


@pytest.fixture
def lost_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shard 1 of the corpus ``pre`` does not answer."""
    search = EmbeddedShard.longest_matches

    async def lose_one(shard: EmbeddedShard, query: Query, deadline_s: float) -> ShardMatches:
        if shard.shard == ("pre", 1):
            raise ShardUnavailableError("lost\x1b[2J")
        return await search(shard, query, deadline_s)

    monkeypatch.setattr(EmbeddedShard, "longest_matches", lose_one)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def assert_one_line_error(result: Result, message: str) -> None:
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_trace_of_two_corpora_shows_of_which_each_document_is(indexes: list[str], tmp_path: Path) -> None:
    page = tmp_path / "trace.html"
    result = run("trace", *indexes, "--html", page, "Our lazy dog sleeps near the river bank.")
    assert result.exit_code == 0, result.output
    assert "corpus pre (test), document pre:0:0" in result.stdout
    assert "corpus post (test), document post:0:0" in result.stdout
    assert "in 3 of 3 shards of 2 corpora" in result.stdout
    assert "corpus post (test)" in page.read_text()


def test_corpus_flag_limits_what_is_searched(indexes: list[str]) -> None:
    counts = {
        names: run("count", *indexes, *(part for name in names for part in ("--corpus", name)), "near the river").stdout
        for names in ((), ("pre",), ("post",), ("pre", "post"))
    }
    assert counts == {(): "3\n", ("pre",): "2\n", ("post",): "1\n", ("pre", "post"): "3\n"}
    trace = json.loads(run("trace", *indexes, "--corpus", "post", "--json", ANSWER).stdout)
    assert {document["corpus"] for document in trace["documents"]} == {"post"}
    assert [part["corpus"] for part in trace["coverage"]["corpora"]] == ["post"]


@pytest.mark.parametrize("subcommand", ["trace", "count"])
def test_corpus_that_is_not_there_is_refused_by_name(indexes: list[str], subcommand: str) -> None:
    result = run(subcommand, *indexes, "--corpus", "mid", ANSWER)
    assert_one_line_error(result, "there is no corpus 'mid', expected some of pre, post")


@pytest.mark.usefixtures("lost_shard")
def test_count_without_a_shard_is_at_least_so_many_and_names_it(indexes: list[str]) -> None:
    result = run("count", *indexes, "near the river bank.")
    assert result.exit_code == 0
    assert result.stdout == "at least 2\n"
    assert result.stderr == "Warning: a lower bound, not every shard answered (shard pre:1: lost␛[2J)\n"
    assert run("count", *indexes, "--corpus", "post", "near the river bank.").stdout == "1\n"
    counted = json.loads(run("count", *indexes, "--json", "near the river bank.").stdout)
    assert (counted["count"], counted["coverage"]["counts_are_lower_bounds"]) == (2, True)


@pytest.mark.usefixtures("lost_shard")
def test_trace_without_a_shard_warns_and_names_it(indexes: list[str]) -> None:
    result = run("trace", *indexes, ANSWER)
    assert result.exit_code == 0
    assert "!! INCOMPLETE: 2 of 3 shards answered." in result.stdout
    assert "!! shard pre:1: lost" in result.stdout
    assert "\x1b" not in result.stdout


@pytest.mark.usefixtures("lost_shard")
@pytest.mark.parametrize("subcommand", ["trace", "count"])
def test_all_or_nothing_fails_where_a_shard_is_lost_and_answers_where_none_is(
    indexes: list[str], subcommand: str
) -> None:
    lost = run(subcommand, *indexes, "--require-complete", ANSWER)
    assert_one_line_error(lost, "the answer would not be complete (shard pre:1: lost")
    whole = run(subcommand, *indexes, "--require-complete", "--corpus", "post", ANSWER)
    assert whole.exit_code == 0, whole.output


def test_corpora_with_different_tokenizers_are_refused_by_name(indexes: list[str], tmp_path: Path) -> None:
    other = write_index(tmp_path / "other", [POST], byte_level_tokenizer(POST, 300))
    result = run("trace", *indexes, "--index", f"other={other}", ANSWER)
    assert_one_line_error(result, "corpus other has the tokenizer")
