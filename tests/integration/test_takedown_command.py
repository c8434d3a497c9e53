"""``headwater takedown`` on a file, on an index directory, and at a coordinator with keys."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import headwater
from headwater.cli import cli
from index_format.manifest import IndexManifest
from tests.api_keys import write_keys
from tests.integration.trace_load import TEXTS
from tests.running_servers import shard_server
from tests.served_coordinator import served
from tests.tiny_index import write_index


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_index(tmp_path_factory.mktemp("takedown") / "index", [TEXTS[:2], TEXTS[2:]])


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["takedown", *map(str, arguments)])


def lines(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def test_a_file_is_changed_without_a_coordinator_and_obeyed_by_an_index_in_process(index: Path, tmp_path: Path) -> None:
    file = tmp_path / "takedowns.json"
    added = run(
        "add", "--file", file, "--index", index, "--document", "default:0:0", "--id", "first", "--reason", "asked"
    )
    assert added.exit_code == 1
    assert "found no file" in added.stderr
    assert run("list", "--file", file).exit_code == 1
    added = run("add", "--new", "--file", file, "--index", index, "--document", "default:0:0", "--id", "first")
    assert lines(added) == ["first"]
    assert "list 1 in" in added.stderr
    assert "only where a corpus has the name default" in added.stderr
    other = run("add", "--file", file, "--index", index, "--document", "default:0:1", "--index-id", "0123", "--id", "x")
    assert other.exit_code == 1
    assert "is served by now" in other.stderr
    reused = run("add", "--file", file, "--domain", "example.org", "--id", "first")
    assert reused.exit_code == 1
    assert "'first' is in force for something else" in reused.stderr
    (domain,) = lines(run("add", "--file", file, "--domain", "Example.ORG", "--corpus", "pre"))
    assert lines(run("add", "--file", file, "--domain", "example.org.", "--corpus", "pre")) == [domain]
    rows = [line.split("\t") for line in lines(run("list", "--file", file))]
    [of_document] = [row for row in rows if row[0] == "first"]
    assert of_document[6] == f"index {IndexManifest.load(index).index_id}"
    assert lines(run("add", "--file", file, "--content", of_document[7], "--id", "copies")) == ["copies"]
    assert sorted(row[:4] for row in rows) == sorted(
        [["first", "document", "default:0:0", "default"], [domain, "domain", "example.org", "pre"]]
    )
    with headwater.open(index) as plain, headwater.open(index, takedowns=file) as without:
        assert plain.count("near the river bank.").count == 2
        assert without.count("near the river bank.").count == 1
    assert lines(run("lift", "--file", file, "first", "copies", domain)) == []
    assert json.loads(run("list", "--file", file, "--json").stdout) == {"takedowns": [], "epoch": 4}


def test_a_takedown_file_that_was_lost_is_not_begun_anew_but_by_word(tmp_path: Path) -> None:
    file = tmp_path / "takedowns.json"
    for name in "ab":
        assert run("add", "--new", "--file", file, "--url", f"https://x/{name}").exit_code == 0
    file.unlink()
    for arguments in (["--new", "--url", "https://x"], ["--url", "https://x"]):
        refused = run("add", "--file", file, *arguments)
        assert refused.exit_code == 1
        assert "takedowns number 2 was written here" in refused.stderr
    assert run("renumber", "--file", file).exit_code == 1
    assert "list 10, 0 takedowns" in run("renumber", "--new", "--file", file, "--above", 9).stderr
    assert run("add", "--file", file, "--url", "https://x").exit_code == 0


def test_a_preview_of_a_directory_shows_what_is_concerned(index: Path) -> None:
    found = run("preview", "--index", index, "--source", "tiny", "--max-documents", "3")
    assert [line.split("\t")[0] for line in lines(found)] == ["default:0:0", "default:0:1", "default:1:0"]
    assert "4 documents concerned" in found.stderr


def at_a_coordinator(index: Path, directory: Path, roles: tuple[str, ...], work: Callable[[list[Any]], None]) -> None:
    """Calls ``work`` in a thread with the flags that reach a coordinator."""

    async def serve() -> None:
        key = write_keys(directory / "keys.yaml", *roles)
        (directory / "key").write_text(key)
        settings = {"keys_file": directory / "keys.yaml", "takedown_file": directory / "takedowns.json"}
        async with shard_server(index) as shards, served(directory, index, (shards, shards), **settings) as address:
            await asyncio.to_thread(work, ["--connect", address, "--api-key-file", directory / "key"])

    asyncio.run(serve())


def test_a_coordinator_takes_documents_down_and_says_how_far_its_servers_are(index: Path, tmp_path: Path) -> None:
    def work(there: list[Any]) -> None:
        found = run("preview", *there, "--document", "default:0:0")
        assert [line.split("\t")[0] for line in lines(found)] == ["default:0:0"]
        copies = run("preview", *there, "--document", "default:0:0", "--copies", "0.2")
        assert [line.split("\t")[0] for line in lines(copies)] == ["default:0:0", "default:1:0"]
        assert "1 near copies, not concerned" in copies.stderr
        added = run("add", *there, "--document", "default:0:0", "--url", "https://x", "--json")
        assert added.exit_code == 0, added.output
        answer = json.loads(added.stdout)
        assert [one["document"] or one["url"] for one in answer["takedowns"]] == ["default:0:0", "https://x"]
        assert [one["problem"] for one in answer["state"]["replicas"]] == ["", ""]
        listed = run("list", *there)
        assert len(lines(listed)) == 2
        assert "list 1: obeyed by 2 of 2 replicas" in listed.stderr
        ids = [one["id"] for one in answer["takedowns"]]
        assert "list 2: obeyed" in run("lift", *there, *ids).stderr
        again = run("lift", *there, *ids)
        assert again.exit_code == 1
        assert "is not in force (any more)" in again.stderr

    at_a_coordinator(index, tmp_path, ("admin",), work)


def test_a_key_without_the_role_is_refused(index: Path, tmp_path: Path) -> None:
    def work(there: list[Any]) -> None:
        refused = run("add", *there, "--url", "https://x")
        assert refused.exit_code == 1
        assert not (tmp_path / "takedowns.json").exists()

    at_a_coordinator(index, tmp_path, ("trace", "read-document"), work)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["add", "--url", "x"], "Give --connect HOST:PORT or --file FILE"),
        (["add", "--url", "x", "--file", "f", "--connect", "h:1"], "Give --connect HOST:PORT or --file FILE"),
        (["add", "--file", "f"], "Say what: --document"),
        (["add", "--file", "f", "--url", "a", "--url", "b", "--id", "one"], "--id names one takedown, and there are 2"),
        (["add", "--file", "f", "--content", "ab"], "expected SHA256:TOKENS"),
        (["add", "--file", "f", "--document", "a:0:0"], "needs --index DIR"),
        (["preview", "--url", "x"], "Give --connect HOST:PORT or --index DIR"),
        (["preview", "--url", "x", "--url", "y", "--index", "."], "one takedown at a time"),
        (["lift", "--file", "f"], "Missing argument"),
        (["add", "--connect", "h:1", "--new", "--url", "x"], "--new goes with --file"),
    ],
)
def test_wrong_flags_are_told(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = run(*arguments)
    assert refused.exit_code == 2
    assert message in refused.stderr
    assert list(tmp_path.iterdir()) == []
