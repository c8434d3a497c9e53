from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import indexing.ray_tasks
import indexing.workers
from indexing.errors import BuildWorkerError
from indexing.local_tasks import LocalTasks
from indexing.plan import BuildPlan, RawBytes
from indexing.sources import Corpus, Packing, SourceFile, SourceKind
from indexing.workers import task_runner, uses_ray

MIB = 1 << 20


def corpus(size_bytes: int) -> Corpus:
    return Corpus((SourceFile(Path("a.txt"), "a.txt", SourceKind.TEXT, Packing.NONE, size_bytes),))


def plan(**fields: Any) -> BuildPlan:
    return BuildPlan(**{"sources": (Path("a.txt"),), "output": Path("out"), "tokenizer": RawBytes(), **fields})


@pytest.mark.parametrize(
    ("fields", "size_mib", "cores", "expected"),
    [
        ({}, 255, 8, False),
        ({}, 256, 8, True),
        ({}, 256, 1, False),
        ({"workers": 1}, 1000, 8, False),
        ({"workers": 2}, 1, 1, True),
        ({"workers": 1, "ray_address": "auto"}, 1, 1, True),
    ],
)
def test_ray_is_for_large_corpora_on_several_cores_or_if_asked_for(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], size_mib: int, cores: int, expected: bool
) -> None:
    monkeypatch.setattr(indexing.workers, "_cores", lambda: cores)
    assert uses_ray(plan(**fields), corpus(size_mib * MIB)) == expected


def test_without_ray_the_work_is_done_here(tmp_path: Path) -> None:
    with task_runner(plan(workers=1), corpus(1), print, tmp_path) as runner:
        assert isinstance(runner, LocalTasks)


@contextmanager
def no_ray(*arguments: Any) -> Iterator[None]:
    raise BuildWorkerError("Ray did not start (no port)")
    yield


def test_if_ray_does_not_start_nobody_who_did_not_ask_for_it_is_stopped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(indexing.ray_tasks, "ray_tasks", no_ray)
    monkeypatch.setattr(indexing.workers, "_cores", lambda: 2)
    notes: list[str] = []
    with task_runner(plan(), corpus(300 * MIB), notes.append, tmp_path) as runner:
        assert isinstance(runner, LocalTasks)
    assert notes == ["building in one process, which is slower: Ray did not start (no port)"]
    for asked in ({"workers": 2}, {"ray_address": "auto"}):
        refused = pytest.raises(BuildWorkerError, match="no port")
        with refused, task_runner(plan(**asked), corpus(1), notes.append, tmp_path):
            pass
