"""The work of a build in pieces that can be done anywhere: in this process, or by workers on Ray.

A task is a function of this package with its arguments, and says what it needs. It leaves its result on disk, renamed
in as its last step, so that it may be run again at any time: after a kill, or on another machine.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")
# Told how much more of its work a task has done, in the unit of the stage.
Advanced = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Task(Generic[T]):
    """A call to make.

    Attributes:
        name: What it does to what, for messages: ``"sort part 3 of 8 of shard 0"``.
        function: At the top level of a module, so that it can be sent; its last argument is an `Advanced`.
        arguments: The others, in order.
        amount: How much work it is, in the unit of its stage.
        cores: Cores that it keeps busy; 0 for all of the machine it runs on.
        memory_bytes: Most memory that it takes.
    """

    name: str
    function: Callable[..., T]
    arguments: tuple[Any, ...]
    amount: int
    cores: int
    memory_bytes: int


class Share:
    """What was told of one task: never more than there is, and less again where it has to begin anew."""

    def __init__(self, amount: int, advanced: Advanced):
        """Tells ``advanced`` of a task of ``amount``."""
        self._amount = amount
        self._advanced = advanced
        self._done = 0
        self._told = 0

    def add(self, amount: int) -> None:
        """Tells that ``amount`` more is done. Is an `Advanced`."""
        self.reached(self._done + amount)

    def reached(self, done: int) -> None:
        """Tells how much more, or less, is done than was told before."""
        self._done = done
        told = min(done, self._amount)
        if told != self._told:
            self._advanced(told - self._told)
            self._told = told

    def finished(self) -> None:
        """Tells that all is done."""
        self.reached(self._amount)


class TaskRunner(Protocol):
    """Runs tasks, some at a time."""

    def run(self, tasks: Iterable[Task[T]], advanced: Advanced) -> Iterator[T]:
        """Yields the result of each task as it ends, in any order; ``advanced`` hears of their work, see `Share`.

        Once it has returned or raised, no task is at work.

        Raises:
            IndexingError, IndexFormatError, OSError: as the first task that fails does; the others are ended.
            BuildWorkerError: a task could not be run to its end, again and again.
        """
        ...

    @property
    def at_once(self) -> int:
        """How many tasks that take a whole machine run at the same time."""
        ...

    @property
    def memory_bytes(self) -> int:
        """Memory that a task which takes a whole machine may use, on any of them."""
        ...

    @property
    def one_core(self) -> bool:
        """Whether a task that asks for one core has to make do with it, as others run beside it."""
        ...
