"""Who does the work of a build: this process, or workers on Ray."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from indexing.budget import memory_budget
from indexing.errors import BuildWorkerError
from indexing.local_tasks import LocalTasks
from indexing.plan import BuildPlan
from indexing.sources import Corpus
from indexing.tasks import TaskRunner

# Ray takes some 6 s to start; a core tokenizes this in half a minute or more.
_LEAST_BYTES_FOR_RAY = 256 << 20
_TASK_FILES = "tasks"


def uses_ray(plan: BuildPlan, corpus: Corpus) -> bool:
    """Says whether a build runs on Ray: asked for, or a corpus large enough on a machine with cores to share it."""
    if plan.ray_address is not None or plan.workers > 1:
        return True
    return plan.workers == 0 and _cores() > 1 and corpus.size_bytes >= _LEAST_BYTES_FOR_RAY


@contextmanager
def task_runner(plan: BuildPlan, corpus: Corpus, note: Callable[[str], None], work: Path) -> Iterator[TaskRunner]:
    """Yields who runs the tasks of a build, whose temporary files are in ``work``; workers end with the body.

    Where nobody asked for Ray and it does not start, this process does the work, and ``note`` is told why.

    Raises:
        BuildWorkerError: Ray was asked for, and cannot be started or reached.
    """
    with ExitStack() as started:
        yield _runner(plan, corpus, note, work / _TASK_FILES, started)


def _runner(
    plan: BuildPlan, corpus: Corpus, note: Callable[[str], None], folder: Path, started: ExitStack
) -> TaskRunner:
    if not uses_ray(plan, corpus):
        return LocalTasks()
    from indexing.ray_tasks import ray_tasks  # what it imports takes a second to load

    workers = plan.workers or (0 if plan.ray_address is not None else _cores())
    memory_bytes = max(memory_budget(None), plan.memory_bytes or 0)
    try:
        return started.enter_context(ray_tasks(workers, plan.ray_address, memory_bytes, folder))
    except BuildWorkerError as error:
        if plan.workers or plan.ray_address is not None:
            raise
        note(f"building in one process, which is slower: {error}")
        return LocalTasks()


def _cores() -> int:
    return len(os.sched_getaffinity(0))
