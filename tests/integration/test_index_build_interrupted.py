"""Ending a build while it runs: no process and no half of an index stays, and the same command goes on."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

import indexing
import indexing.accelerating
import indexing.building
import indexing.sorting
from index_format.layout import DIRECTORY, FAN_OUT, shard_folder
from indexing.engine_call import call_engine
from indexing.publishing import file_entries
from tests.integration.index_builds import (
    at_work,
    index_command,
    make_texts,
    plan_of,
    processes_of_group,
    run_index_command,
    tree_of,
    wait_until,
    write_corpus,
)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Large enough that reading and sorting each take a second or so, and the few words make sorting slow.
    return write_corpus(tmp_path_factory.mktemp("corpus") / "a.jsonl", make_texts(25_000, words=200))


def sorting(process: "subprocess.Popen[str]") -> bool:
    return at_work(process, "sort")


def assert_nothing_left(process: "subprocess.Popen[str]", directory: Path) -> None:
    assert list(directory.iterdir()) == []
    assert processes_of_group(process.pid) == []


def assert_goes_on(process: "subprocess.Popen[str]", command: Sequence[str | Path], undisturbed: Path) -> None:
    """Checks that a build has ended without an index, and that the same command makes one as if nothing had been."""
    assert processes_of_group(process.pid) == []
    (directory,) = (Path(after) for before, after in pairwise(command) if before == "--out")
    assert sorted(entry.name for entry in directory.iterdir()) == ["build.json", "shard_00000", "work"]
    code, _, err = run_index_command(*command)
    assert code == 0, err
    assert "going on with a build that was interrupted" in err
    assert tree_of(directory) == tree_of(undisturbed)


@pytest.fixture(scope="module")
def undisturbed(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("undisturbed") / "index"
    indexing.build(plan_of(source, directory))
    return directory


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("stage", ["reading", "sorting"])
def test_an_interrupted_build_leaves_no_process_and_is_continued(
    tmp_path: Path, source: Path, undisturbed: Path, stage: str, signal_number: signal.Signals
) -> None:
    command = ["build", source, "--out", tmp_path / "index", "--raw-bytes"]
    with index_command(*command) as process:
        if stage == "reading":
            wait_until(lambda: any(tmp_path.rglob("chunk.json")), process)
        else:
            wait_until(lambda: sorting(process), process)
        # A terminal sends Ctrl-C to the whole group; a supervisor sends SIGTERM to the process.
        if signal_number is signal.SIGINT:
            os.killpg(process.pid, signal_number)
        else:
            process.send_signal(signal_number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal_number, err
    assert "Traceback" not in err
    assert f"{tmp_path / 'index'}: what is done is kept; run the same command to go on" in err
    assert_goes_on(process, command, undisturbed)


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_a_build_that_has_finished_nothing_leaves_no_file_and_no_process(
    tmp_path: Path, source: Path, signal_number: signal.Signals
) -> None:
    with index_command("build", source, "--out", tmp_path / "index", "--raw-bytes") as process:
        wait_until(lambda: any(tmp_path.rglob("text")), process)
        if signal_number is signal.SIGINT:
            os.killpg(process.pid, signal_number)
        else:
            process.send_signal(signal_number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal_number, err
    assert "Traceback" not in err
    assert_nothing_left(process, tmp_path)


def test_a_sort_does_not_outlive_a_killed_build(tmp_path: Path, source: Path, undisturbed: Path) -> None:
    command = ["build", source, "--out", tmp_path / "index", "--raw-bytes"]
    with index_command(*command) as process:
        wait_until(lambda: sorting(process), process)
        process.kill()
        process.communicate(timeout=60)
    deadline = time.monotonic() + 60
    while processes_of_group(process.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert processes_of_group(process.pid) == []
    assert not (tmp_path / "index" / "index.json").exists()
    (tmp_path / "index" / "build.lock").unlink()  # locks nothing any more
    assert_goes_on(process, command, undisturbed)


def test_a_killed_sort_ends_the_build_with_a_clear_error(tmp_path: Path, source: Path, undisturbed: Path) -> None:
    command = ["build", source, "--out", tmp_path / "index", "--raw-bytes"]
    with index_command(*command) as process:
        wait_until(lambda: sorting(process), process)
        (child,) = psutil.Process(process.pid).children()
        child.kill()
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the process at work on this shard (sort) was killed by SIGKILL; did the machine run out of memory?" in err
    assert_goes_on(process, command, undisturbed)


@pytest.mark.parametrize("lost", [[FAN_OUT], [DIRECTORY], [FAN_OUT, DIRECTORY]])
@pytest.mark.parametrize("parts", [1, 3])
def test_a_shard_whose_sidecars_a_power_cut_lost_is_sorted_again_and_not_accelerated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: list[str], parts: int
) -> None:
    source = write_corpus(tmp_path / "a.jsonl", make_texts(200))
    indexing.build(plan_of(source, tmp_path / "undisturbed"))
    plan = replace(plan_of(source, tmp_path / "index"), parts=parts)
    with monkeypatch.context() as patch:
        patch.setattr(indexing.building, "list_unit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            indexing.build(plan)
    for name in lost:
        (tmp_path / "index" / shard_folder(0) / name).unlink()
    tasks = []

    def call(task: Any, *arguments: Any, **options: Any) -> None:
        tasks.append(task)
        call_engine(task, *arguments, **options)

    monkeypatch.setattr(indexing.sorting, "call_engine", call)
    monkeypatch.setattr(indexing.accelerating, "call_engine", call)
    indexing.build(plan)
    assert tasks == ["sort"] * parts + ["merge"] * (parts > 1)
    assert tree_of(tmp_path / "index") == tree_of(tmp_path / "undisturbed")


def interrupted(*arguments: object) -> None:
    raise KeyboardInterrupt


def test_interrupting_the_training_of_a_tokenizer_ends_the_build_at_once(tmp_path: Path, source: Path) -> None:
    with index_command("build", source, "--out", tmp_path / "index", "--train-tokenizer", "5000") as process:
        assert process.stderr is not None
        assert any(line.startswith("train the tokenizer") for line in process.stderr)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT, err
    assert "Traceback" not in err
    assert_nothing_left(process, tmp_path)


@pytest.fixture(scope="module")
def slow_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index that the engine verifies for half a minute: each suffix repeats the one before for 50,000 tokens."""
    directory = tmp_path_factory.mktemp("slow")
    source = write_corpus(directory / "a.jsonl", ["a" * 4_000_000])
    indexing.build(plan_of(source, directory / "index"))
    return directory / "index"


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_interrupting_verify_ends_it_at_once_and_leaves_no_process(
    slow_index: Path, signal_number: signal.Signals
) -> None:
    with index_command("verify", slow_index, "--deep") as process:
        wait_until(lambda: at_work(process, "verify"), process)
        time.sleep(0.5)  # by now it is deep in the engine's call
        if signal_number is signal.SIGINT:
            os.killpg(process.pid, signal_number)
        else:
            process.send_signal(signal_number)
        _, err = process.communicate(timeout=15)
    assert process.returncode == (130 if signal_number is signal.SIGINT else -signal.SIGTERM), err
    assert "Traceback" not in err
    deadline = time.monotonic() + 60
    while processes_of_group(process.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert processes_of_group(process.pid) == []


def test_verify_says_so_when_the_process_of_the_engine_is_killed(slow_index: Path) -> None:
    with index_command("verify", slow_index, "--deep") as process:
        wait_until(lambda: at_work(process, "verify"), process)
        (child,) = psutil.Process(process.pid).children()
        child.kill()
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the process at work on this shard (verify) was killed by SIGKILL; did the machine run out of memory?" in err


def test_a_checksum_is_interrupted_without_waiting_for_large_files(tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"x")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 40)  # takes no room on disk, and a quarter of an hour to read

    def interrupt(size_bytes: int) -> None:
        raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        file_entries([tmp_path / "small", tmp_path / "large"], 2, interrupt)
    assert time.monotonic() - started < 30
