"""SIGKILL of a whole build at any moment: the same command goes on, and the index is what it would have been."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from tests.integration.index_builds import (
    index_command,
    processes_of_group,
    run_index_command,
    tree_of,
    various_texts,
    wait_until,
    write_corpus,
)

SEED = 20261122
IS_SLOW = settings.get_current_profile_name() == "slow"
# Several splits, which are of 4 MiB here, two shards, and parts that are merged.
OPTIONS = ("--raw-bytes", "--shards", "2", "--parts", "3", "--memory", "512MiB", "--workers", "1")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Metadata fills splits, and takes no time to sort.
    return write_corpus(tmp_path_factory.mktemp("corpus") / "a.jsonl", various_texts(SEED, 10_000), filler="x" * 700)


@pytest.fixture(scope="module")
def undisturbed(source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """The index of a build that nobody disturbed, and the seconds it took."""
    directory = tmp_path_factory.mktemp("undisturbed") / "index"
    began = time.monotonic()
    code, _, err = run_index_command("build", source, "--out", directory, *OPTIONS)
    assert code == 0, err
    return directory, time.monotonic() - began


def kill(process: "subprocess.Popen[str]") -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    deadline = time.monotonic() + 60
    while processes_of_group(process.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert processes_of_group(process.pid) == []


def assert_no_half_index(directory: Path, undisturbed: Path) -> None:
    """Checks that what a kill left is a finished index, or none."""
    if (directory / "index.json").exists():
        found = {name: digest for name, digest in tree_of(directory).items() if not name.startswith(("build.", "work"))}
        assert found == tree_of(undisturbed)


def assert_goes_on(directory: Path, source: Path, undisturbed: Path) -> None:
    if (directory / "index.json").exists() and not (directory / "build.json").exists():
        (directory / "build.lock").unlink(missing_ok=True)  # all was done but to let go of the lock
    else:
        code, _, err = run_index_command("build", source, "--out", directory, *OPTIONS)
        assert code == 0, err
    assert tree_of(directory) == tree_of(undisturbed)


@pytest.mark.parametrize("number", range(20 if IS_SLOW else 3))
def test_a_build_that_is_killed_at_a_random_moment_goes_on(
    tmp_path: Path, source: Path, undisturbed: tuple[Path, float], number: int
) -> None:
    index, seconds = undisturbed
    # A third of its time Python takes to start.
    moment = random.Random(SEED + number).uniform(0.25, 1.0) * seconds
    print(f"killed after {moment:.2f} s of {seconds:.2f} s")
    with index_command("build", source, "--out", tmp_path / "index", *OPTIONS) as process:
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            kill(process)
    assert_no_half_index(tmp_path / "index", index)
    assert_goes_on(tmp_path / "index", source, index)


@pytest.mark.parametrize(
    "reached",
    [
        lambda index: (index / "build.json").exists(),
        lambda index: any(index.glob("work/chunks/*/text*")),
        lambda index: any(index.glob("work/chunks/*/chunk.json")),
        lambda index: any(index.glob("shard_*/tokenized.0")),
        lambda index: any(index.glob("shard_00001/unigram.0")),
        lambda index: not (index / "work/chunks").exists() and any(index.glob("work/*")),
        lambda index: any(index.glob("shard_*/*part*")) or any(index.glob("shard_*/table*")),
        lambda index: any(index.glob("shard_*/table*")),
        lambda index: any(index.glob("shard_*/fanout*")),
        lambda index: any(index.glob("shard_00000/shard.json")),
        lambda index: (index / "index.json").exists(),
    ],
    ids=[
        "begun",
        "tokenizing",
        "a split is done",
        "assembling",
        "assembled",
        "chunks removed",
        "sorting",
        "merging",
        "sidecars",
        "checksums",
        "published",
    ],
)
def test_a_build_that_is_killed_at_a_certain_point_goes_on(
    tmp_path: Path, source: Path, undisturbed: tuple[Path, float], reached: Callable[[Path], bool]
) -> None:
    with index_command("build", source, "--out", tmp_path / "index", *OPTIONS) as process:
        while not reached(tmp_path / "index") and process.poll() is None:
            time.sleep(0.0005)
        kill(process)
    assert_no_half_index(tmp_path / "index", undisturbed[0])
    assert_goes_on(tmp_path / "index", source, undisturbed[0])


def test_a_build_that_is_killed_again_and_again_ends_one_day(
    tmp_path: Path, source: Path, undisturbed: tuple[Path, float]
) -> None:
    index, seconds = undisturbed
    chooser = random.Random(SEED)
    for _ in range(100):
        with index_command("build", source, "--out", tmp_path / "index", *OPTIONS) as process:
            try:
                process.wait(chooser.uniform(0.5, 1.0) * seconds)
            except subprocess.TimeoutExpired:
                kill(process)
        if process.returncode == 0:
            break
        assert_no_half_index(tmp_path / "index", index)
    assert tree_of(tmp_path / "index") == tree_of(index)


def test_two_builds_at_once_do_not_meet(tmp_path: Path, source: Path, undisturbed: tuple[Path, float]) -> None:
    command = ("build", source, "--out", tmp_path / "index", *OPTIONS)
    with index_command(*command) as process:
        wait_until(lambda: (tmp_path / "index" / "build.json").exists(), process)
        os.killpg(process.pid, signal.SIGSTOP)  # so that it lasts as long as the other looks
        code, _, err = run_index_command(*command)
        assert code == 1
        assert f"{tmp_path / 'index'}: another build is at work in this directory" in err
        os.killpg(process.pid, signal.SIGCONT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert tree_of(tmp_path / "index") == tree_of(undisturbed[0])


def test_a_source_that_changed_since_is_refused_and_fresh_begins_anew(
    tmp_path: Path, source: Path, undisturbed: tuple[Path, float]
) -> None:
    copy = tmp_path / "a.jsonl"
    shutil.copy(source, copy)
    command = ("build", copy, "--out", tmp_path / "index", *OPTIONS)
    with index_command(*command) as process:
        wait_until(lambda: any(tmp_path.glob("index/work/chunks/*/chunk.json")), process)
        kill(process)
    os.utime(copy)
    code, _, err = run_index_command(*command)
    assert code == 1
    assert "cannot continue (source a.jsonl: changed since" in err
    assert any(tmp_path.glob("index/work/chunks/*/chunk.json"))
    code, _, err = run_index_command(*command, "--fresh")
    assert code == 0, err
    assert tree_of(tmp_path / "index") == tree_of(undisturbed[0])


def test_a_bad_line_in_the_middle_keeps_what_is_done_and_can_be_left_out(tmp_path: Path, source: Path) -> None:
    lines = source.read_bytes().splitlines(keepends=True)
    lines.insert(len(lines) - 10, b'{"text": broken}\n')
    bad = tmp_path / "a.jsonl"
    bad.write_bytes(b"".join(lines))
    command = ("build", bad, "--out", tmp_path / "index", *OPTIONS)
    code, _, err = run_index_command(*command)
    assert code == 1
    assert f"{bad}:{len(lines) - 10}: not valid JSON" in err
    assert "--skip-bad-lines leaves such lines out, and goes on with what is done" in err
    done = len(list(tmp_path.glob("index/work/chunks/*/chunk.json")))
    assert done > 0
    code, _, err = run_index_command(*command, "--skip-bad-lines")
    assert code == 0, err
    assert "going on with a build that was interrupted" in err
    assert "MiB were done before" in err
    code, _, err = run_index_command("build", bad, "--out", tmp_path / "fresh", *OPTIONS, "--skip-bad-lines")
    assert code == 0, err
    assert tree_of(tmp_path / "index") == tree_of(tmp_path / "fresh")
