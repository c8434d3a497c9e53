"""Ending ``headwater index accelerate`` while it runs: the index stays as it was, and the next run goes on."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

import indexing
from index_format.layout import FAN_OUT, SIDECARS, shard_folder
from index_format.manifest import IndexManifest, ShardManifest
from indexing.index_lock import LOCK_FILE
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

# The engine notes how far it is as often as this.
CHECKPOINT_S = 10


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index that takes a second or so to accelerate with one thread."""
    directory = tmp_path_factory.mktemp("built")
    source = write_corpus(directory / "a.jsonl", make_texts(25_000, words=200))
    indexing.build(plan_of(source, directory / "index"))
    return directory / "index"


@pytest.fixture
def directory(built: Path, tmp_path: Path) -> Path:
    """The same index without sidecars."""
    copied = Path(shutil.copytree(built, tmp_path / "index"))
    folder = copied / shard_folder(0)
    ShardManifest.load(folder).without_sidecars().save(folder)
    for name in SIDECARS:
        (folder / name).unlink()
    return copied


def files_of(directory: Path) -> dict[str, bytes]:
    paths = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in paths}


def engine_of(process: "subprocess.Popen[str]") -> psutil.Process:
    """Waits until the engine has begun to write, and returns its process."""
    wait_until(lambda: at_work(process, "accelerate"), process)
    [child] = psutil.Process(process.pid).children()
    return child


@contextmanager
def begin(directory: Path, *options: str) -> "Iterator[subprocess.Popen[str]]":
    """Starts the command, and yields once the engine is at work on pages."""
    partial = directory / shard_folder(0) / f"{FAN_OUT}.partial"
    with index_command("accelerate", directory, "--threads", "1", *options) as process:
        try:
            engine_of(process)
            wait_until(lambda: partial.exists() and partial.stat().st_blocks > 0, process)
            yield process
        finally:
            process.kill()


def wait_for_end_of_group(process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 60
    while processes_of_group(process.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert processes_of_group(process.pid) == []


def past_a_checkpoint(directory: Path, process: "subprocess.Popen[str]") -> None:
    """Lets the time to the next checkpoint pass, which the engine sleeps through, and waits for it."""
    engine = engine_of(process)
    engine.suspend()
    time.sleep(CHECKPOINT_S)
    engine.resume()
    journal = directory / shard_folder(0) / f"{FAN_OUT}.journal"
    wait_until(journal.exists, process)


def test_a_killed_run_is_gone_on_with_and_gives_the_same_bytes(directory: Path, built: Path) -> None:
    with begin(directory) as process:
        past_a_checkpoint(directory, process)
        process.kill()
        process.communicate(timeout=60)
    wait_for_end_of_group(process)
    assert not IndexManifest.load(directory).load_shard(directory, 0).is_accelerated
    indexing.verify(directory, deep=True)
    code, out, err = run_index_command("accelerate", directory)
    assert code == 0, err
    assert re.search(r"accelerate: \S+ M tokens were done before", err), err
    assert "1 of 1 shard accelerated" in out
    assert files_of(directory) == files_of(built)


def test_a_journal_whose_fan_out_is_gone_is_not_believed(directory: Path, built: Path) -> None:
    pages = (built / shard_folder(0) / FAN_OUT).stat().st_size // 4096 - 1
    (directory / shard_folder(0) / f"{FAN_OUT}.journal").write_text(f"{pages - 1}\n")
    with begin(directory) as process:
        process.kill()
        process.communicate(timeout=60)
    wait_for_end_of_group(process)
    assert indexing.accelerate(directory).accelerated == 1
    assert files_of(directory) == files_of(built)


def test_a_rebuild_that_is_killed_leaves_the_old_sidecars_in_use(built: Path, tmp_path: Path) -> None:
    directory = Path(shutil.copytree(built, tmp_path / "index"))
    with begin(directory, "--force") as process:
        process.kill()
        process.communicate(timeout=60)
    wait_for_end_of_group(process)
    notes: list[str] = []
    progress = indexing.SilentProgress()
    progress.noted = notes.append  # type: ignore[method-assign]
    indexing.verify(directory, progress, deep=True)
    assert "are there but not published" in notes[0]
    assert indexing.accelerate(directory).accelerated == 1
    assert files_of(directory) == files_of(built)


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_at_once_and_leaves_no_process(
    directory: Path, built: Path, signal_number: signal.Signals
) -> None:
    with begin(directory) as process:
        if signal_number is signal.SIGINT:
            os.killpg(process.pid, signal_number)
        else:
            process.send_signal(signal_number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal_number, err
    assert "Traceback" not in err
    assert processes_of_group(process.pid) == []
    assert not (directory / LOCK_FILE).exists()
    assert indexing.accelerate(directory).accelerated == 1
    assert files_of(directory) == files_of(built)


def test_a_killed_engine_ends_the_command_with_a_clear_error(directory: Path) -> None:
    with begin(directory) as process:
        engine_of(process).kill()
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the process at work on this shard (accelerate) was killed by SIGKILL; did the machine run out of m" in err


def test_two_at_once_are_refused(directory: Path, built: Path) -> None:
    with begin(directory) as process:
        engine = engine_of(process)
        engine.suspend()
        code, _, err = run_index_command("accelerate", directory)
        assert (code, len(err.splitlines())) == (1, 1)
        assert "another 'headwater index accelerate' is at work on this index" in err
        # Not even when the first command is dead, while its engine is not.
        process.kill()
        process.wait()
        assert run_index_command("accelerate", directory)[0] == 1
        engine.resume()
        process.communicate(timeout=60)
    wait_for_end_of_group(process)
    assert indexing.accelerate(directory).accelerated == 1
    assert files_of(directory) == files_of(built)


def test_a_build_interrupted_while_it_accelerates_goes_on(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "corpus" / "a.jsonl", make_texts(25_000, words=200))
    command = ["build", source, "--out", tmp_path / "index", "--raw-bytes", "--threads", "1"]
    with index_command(*command) as process:
        wait_until(lambda: any(tmp_path.glob("index/shard_00000/fanout*")), process)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT, err
    assert not (tmp_path / "index" / "index.json").exists()
    assert processes_of_group(process.pid) == []
    code, _, err = run_index_command(*command)
    assert code == 0, err
    indexing.build(plan_of(source, tmp_path / "undisturbed"))
    assert tree_of(tmp_path / "index") == tree_of(tmp_path / "undisturbed")
