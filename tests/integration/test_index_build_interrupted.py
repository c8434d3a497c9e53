"""Ending a build while it runs: nothing of the index and no process stays."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.integration.index_builds import index_command, make_texts, write_corpus


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Large enough that reading and sorting each take a second or so, and the few words make sorting slow.
    return write_corpus(tmp_path_factory.mktemp("corpus") / "a.jsonl", make_texts(25_000, words=200))


def wait_until(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, "the build ended before the test could interrupt it"
        assert time.monotonic() < deadline
        time.sleep(0.005)


def processes_of_group(group: int) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def sorting(process: "subprocess.Popen[str]") -> bool:
    return any("sort_process.py" in " ".join(child.cmdline()) for child in psutil.Process(process.pid).children())


def assert_nothing_left(process: "subprocess.Popen[str]", directory: Path) -> None:
    assert list(directory.iterdir()) == []
    assert processes_of_group(process.pid) == []


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("stage", ["reading", "sorting"])
def test_an_interrupted_build_leaves_no_file_and_no_process(
    tmp_path: Path, source: Path, stage: str, signal_number: signal.Signals
) -> None:
    with index_command("build", source, "--out", tmp_path / "index", "--raw-bytes") as process:
        if stage == "reading":
            wait_until(lambda: any(tmp_path.rglob("tokenized.0")), process)
        else:
            wait_until(lambda: sorting(process), process)
        # A terminal sends Ctrl-C to the whole group; a supervisor sends SIGTERM to the process.
        if signal_number is signal.SIGINT:
            os.killpg(process.pid, signal_number)
        else:
            process.send_signal(signal_number)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 128 + signal_number, err
    assert "Traceback" not in err
    assert_nothing_left(process, tmp_path)


def test_a_sort_does_not_outlive_a_killed_build(tmp_path: Path, source: Path) -> None:
    with index_command("build", source, "--out", tmp_path / "index", "--raw-bytes") as process:
        wait_until(lambda: sorting(process), process)
        process.kill()
        process.communicate(timeout=10)
    deadline = time.monotonic() + 5
    while processes_of_group(process.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert processes_of_group(process.pid) == []
    assert not (tmp_path / "index" / "index.json").exists()


def test_a_killed_sort_ends_the_build_with_a_clear_error(tmp_path: Path, source: Path) -> None:
    with index_command("build", source, "--out", tmp_path / "index", "--raw-bytes") as process:
        wait_until(lambda: sorting(process), process)
        (child,) = psutil.Process(process.pid).children()
        child.kill()
        _, err = process.communicate(timeout=10)
    assert process.returncode == 1
    assert "the sorting process was killed by SIGKILL; did the machine run out of memory?" in err
    assert_nothing_left(process, tmp_path)


def test_interrupting_the_training_of_a_tokenizer_ends_the_build_at_once(tmp_path: Path, source: Path) -> None:
    with index_command("build", source, "--out", tmp_path / "index", "--train-tokenizer", "5000") as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("train the tokenizer")
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 128 + signal.SIGINT, err
    assert "Traceback" not in err
    assert_nothing_left(process, tmp_path)
