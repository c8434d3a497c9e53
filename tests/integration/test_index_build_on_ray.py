"""Whole builds on Ray: the bytes of a build without it, whatever dies meanwhile."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.integration.index_builds import index_command, run_index_command, tree_of, various_texts, write_corpus

# Ray takes some 6 s to start on idle cores, and several times that on busy ones.
pytestmark = pytest.mark.timeout(300)

SLOW = pytest.mark.slow

SEED = 20261123
OPTIONS = ("--raw-bytes", "--shards", "2", "--parts", "3", "--memory", "512MiB")
ON_RAY = (*OPTIONS, "--workers", "2")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus") / "a.jsonl", various_texts(SEED, 20_000), filler="x" * 700)


@pytest.fixture(scope="module")
def undisturbed(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index of a build without Ray."""
    directory = tmp_path_factory.mktemp("undisturbed") / "index"
    code, _, err = run_index_command("build", source, "--out", directory, *OPTIONS, "--workers", "1")
    assert code == 0, err
    return directory


class RayBuild:
    """A build on Ray, and every process that it ever had."""

    def __init__(self, command: Sequence[str | Path]):
        self.process = index_command(*command)
        self._seen: set[psutil.Process] = set()

    def wait_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 200
        while not condition():
            assert self.process.poll() is None, "the build ended before the test could interrupt it"
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def processes(self) -> list[psutil.Process]:
        """Returns those that live, the build itself not among them."""
        with suppress(psutil.NoSuchProcess):
            self._seen.update(psutil.Process(self.process.pid).children(recursive=True))
        return [process for process in self._seen if process.is_running()]

    def worker_at(self, work: str) -> psutil.Process | None:
        """Returns a worker whose task has a name that begins so, if there is one."""
        return next((process for process in self.processes() if _title(process).startswith(f"ray::{work}")), None)

    def kill(self) -> None:
        """Kills the process group, as a machine that goes down does, and waits for what else there was."""
        self.processes()
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate(timeout=60)
        assert self.left() == []

    def left(self) -> list[psutil.Process]:
        """Returns what has not ended after a while."""
        return psutil.wait_procs(self.processes(), timeout=60)[1]


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@contextmanager
def ray_build(*command: str | Path) -> Iterator[RayBuild]:
    build = RayBuild(command)
    try:
        yield build
    finally:
        for process in build.processes():
            process.kill()
        build.process.kill()
        build.process.communicate()


def test_a_build_on_ray_gives_the_same_bytes_and_leaves_no_process(
    tmp_path: Path, source: Path, undisturbed: Path
) -> None:
    with ray_build("build", source, "--out", tmp_path / "index", *ON_RAY, "--json") as build:
        build.wait_until(lambda: build.worker_at("tokenize split") is not None)
        out, err = build.process.communicate(timeout=200)
        assert build.process.returncode == 0, err
        assert json.loads(out)["num_documents"] == 22_000
        assert build.left() == []
    assert tree_of(tmp_path / "index") == tree_of(undisturbed)


@pytest.mark.parametrize(
    "stage",
    [pytest.param("tokenize split", marks=SLOW), "sort part", pytest.param("merge the parts", marks=SLOW)],
)
def test_a_build_on_ray_that_is_killed_goes_on(tmp_path: Path, source: Path, undisturbed: Path, stage: str) -> None:
    command = ("build", source, "--out", tmp_path / "index", *ON_RAY)
    with ray_build(*command) as build:
        build.wait_until(lambda: build.worker_at(stage) is not None)
        time.sleep(random.Random(SEED + len(stage)).uniform(0.0, 0.3))
        build.kill()
    assert not (tmp_path / "index" / "index.json").exists()
    # The second time without Ray: what was done by workers is gone on from here.
    options = ON_RAY if stage == "sort part" else (*OPTIONS, "--workers", "1")
    code, _, err = run_index_command("build", source, "--out", tmp_path / "index", *options, timeout=200)
    assert code == 0, err
    assert tree_of(tmp_path / "index") == tree_of(undisturbed)


@pytest.mark.parametrize("stage", ["tokenize split", pytest.param("sort part", marks=SLOW)])
def test_a_worker_that_is_killed_is_made_up_for(tmp_path: Path, source: Path, undisturbed: Path, stage: str) -> None:
    with ray_build("build", source, "--out", tmp_path / "index", *ON_RAY, "--json") as build:
        killed = []

        def kill_a_worker() -> bool:
            worker = build.worker_at(stage)
            if worker is not None:
                worker.kill()
                killed.append(worker.pid)
            return bool(killed)

        build.wait_until(kill_a_worker)
        out, err = build.process.communicate(timeout=200)
    assert build.process.returncode == 0, err
    assert json.loads(out)["num_documents"] == 22_000  # what Ray says of it is not on standard output
    assert tree_of(tmp_path / "index") == tree_of(undisturbed)


def test_ctrl_c_ends_a_build_on_ray_and_keeps_what_is_done(tmp_path: Path, source: Path, undisturbed: Path) -> None:
    command = ("build", source, "--out", tmp_path / "index", *ON_RAY)
    with ray_build(*command) as build:
        build.wait_until(lambda: any(tmp_path.glob("index/work/chunks/*/chunk.json")))
        build.processes()
        os.killpg(build.process.pid, signal.SIGINT)
        _, err = build.process.communicate(timeout=60)
        assert build.process.returncode == 130, err
        assert "Traceback" not in err
        assert "what is done is kept" in err
        assert build.left() == []
    code, _, err = run_index_command(*command, timeout=200)
    assert code == 0, err
    assert tree_of(tmp_path / "index") == tree_of(undisturbed)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 30 MB; the test skips where this process may not mount one."""
    directory = tmp_path / "disk"
    directory.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=30m", "none", str(directory)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("needs to mount a small disk, which only root may")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=SLOW)])
def test_a_disk_that_fills_up_ends_the_build_and_room_lets_it_go_on(
    small_disk: Path, source: Path, undisturbed: Path, workers: str
) -> None:
    other = small_disk / "other"
    command = ("build", source, "--out", small_disk / "index", *OPTIONS, "--workers", workers)
    with ray_build(*command) as build:
        # All that is free when it is checked before the start is taken by somebody else afterwards.
        build.wait_until(lambda: (small_disk / "index" / "build.json").exists())
        with other.open("wb") as file:
            file.write(b"x" * (18 << 20))
        _, err = build.process.communicate(timeout=200)
    assert build.process.returncode == 1, err
    assert "no room left on the disk" in err or "the disk is full" in err
    assert not (small_disk / "index" / "index.json").exists()
    other.unlink()
    subprocess.run(["mount", "-o", "remount,size=400m", str(small_disk)], check=True)
    code, _, err = run_index_command(*command, timeout=200)
    assert code == 0, err
    assert tree_of(small_disk / "index") == tree_of(undisturbed)


def test_the_disk_that_a_build_says_it_needs_is_enough_and_with_less_it_does_not_begin_to_assemble(
    small_disk: Path, source: Path, undisturbed: Path
) -> None:
    command = ("build", source, "--out", small_disk / "index", *OPTIONS, "--workers", "1")
    subprocess.run(["mount", "-o", "remount,size=60m", str(small_disk)], check=True)
    code, _, err = run_index_command(*command)
    assert code == 1
    needed_mib = float(re.search(r"tokens; needs ([0-9.]+) MiB of disk at its fullest", err)[1])  # type: ignore[index]
    assert re.search(r"the index needs \S+ MiB of disk, \S+ MiB are free; free some", err.splitlines()[-1])
    assert not any(small_disk.rglob("tokenized.0"))
    # Told with three digits; a page for every small file.
    for share, enough in ((0.95, False), (1.01, True)):
        subprocess.run(["mount", "-o", f"remount,size={int(needed_mib * share * 1024)}k", str(small_disk)], check=True)
        code, _, err = run_index_command(*command)
        assert (code == 0) == enough, err
    assert tree_of(small_disk / "index") == tree_of(undisturbed)


def test_a_cluster_of_two_nodes_builds_the_same_bytes(tmp_path: Path, source: Path, undisturbed: Path) -> None:
    script = Path(__file__).with_name("two_node_build.py")
    done = subprocess.run(
        [sys.executable, script, source, tmp_path / "index"], capture_output=True, text=True, timeout=250, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout.splitlines()[-1])["nodes"]) == 2
    assert tree_of(tmp_path / "index") == tree_of(undisturbed)
