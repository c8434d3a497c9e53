"""SIGKILL of the whole process group at random moments, and the same command again, until it gets through."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

import indexing
from index_format.layout import INDEX_MANIFEST
from index_format.manifest import IndexManifest
from indexing.living.remove import remove_documents
from tests.integration.index_builds import index_command, make_texts, plan_of, run_index_command, write_corpus
from tests.integration.test_index_rewrite import content

KILLS = 4


def kill_at_random(arguments: Sequence[str | Path], seed: int, longest_s: float) -> int:
    """Starts the command again and again, kills it some time later, and returns how often it was killed at work."""
    chooser = random.Random(seed)
    killed = 0
    for attempt in range(KILLS):
        with index_command(*arguments) as process:
            try:
                # One moment in each part of the time that it takes.
                process.wait(longest_s * (attempt + chooser.random()) / KILLS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                killed += 1
            process.communicate()
        if process.returncode == 0:
            break
    return killed


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an index of which documents are removed, and a corpus to add."""
    root = tmp_path_factory.mktemp("prepared")
    indexing.build(plan_of(write_corpus(root / "old.jsonl", make_texts(20_000, seed=1)), root / "index", 3))
    remove_documents(root / "index", ids=[f"{number % 2}:{number}" for number in range(100)])
    write_corpus(root / "new.jsonl", make_texts(20_000, seed=2))
    return root


@pytest.mark.parametrize("command", ["add", "compact", "merge-shards"])
def test_a_command_that_is_killed_at_any_moment_gets_to_the_same_end(
    command: str, prepared: Path, tmp_path: Path
) -> None:
    def arguments(root: Path) -> list[str | Path]:
        if command == "add":
            return ["add", root / "index", prepared / "new.jsonl", "--shards", "2"]
        more = ["--shards", "2"] if command == "merge-shards" else []
        return [command, prepared / "index", "--out", root / "index", *more]

    roots = {name: tmp_path / name for name in ("whole", "killed")}
    for root in roots.values():
        root.mkdir()
        if command == "add":
            shutil.copytree(prepared / "index", root / "index")
    started = time.monotonic()
    code, _, error = run_index_command(*arguments(roots["whole"]))
    assert code == 0, error
    taken_s = time.monotonic() - started
    before = (roots["killed"] / "index" / INDEX_MANIFEST).read_bytes() if command == "add" else None
    killed = kill_at_random(arguments(roots["killed"]), len(command), taken_s)
    assert killed > 0
    directory = roots["killed"] / "index"
    if (directory / INDEX_MANIFEST).exists():  # the old one of an addition, or one that was published
        IndexManifest.load(directory).load_shards(directory)
    published = command == "add" and (directory / INDEX_MANIFEST).read_bytes() != before
    finished = (directory / INDEX_MANIFEST).exists() and not (directory / "build.json").exists()
    if not (finished and (command != "add" or published)):
        code, _, error = run_index_command(*arguments(roots["killed"]))
        assert code == 0, error
    found = content(directory)
    if finished:  # by one that was killed between its last two steps, perhaps: its lock is nobody's now
        assert found.pop("build.lock", b"") == b""
    assert found == content(roots["whole"] / "index")
    assert IndexManifest.load(directory) == IndexManifest.load(roots["whole"] / "index")
