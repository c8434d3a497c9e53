"""Runs the tasks of a build in this process, one after another."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from indexing.budget import memory_budget
from indexing.tasks import Advanced, Share, Task

T = TypeVar("T")


class LocalTasks:
    """Implements `tasks.TaskRunner`. Each task may take every core and all memory of the budget."""

    at_once = 1
    one_core = False

    @property
    def memory_bytes(self) -> int:
        """See `tasks.TaskRunner.memory_bytes`."""
        return memory_budget(None)

    def run(self, tasks: Iterable[Task[T]], advanced: Advanced) -> Iterator[T]:
        """See `tasks.TaskRunner.run`."""
        for task in tasks:
            share = Share(task.amount, advanced)
            result = task.function(*task.arguments, share.add)
            share.finished()
            yield result
