"""What the demo says while it works: one line a step, with its seconds."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

from rich.console import Console
from rich.status import Status
from rich.text import Text

from indexing import BuildReport

_INDENT = 7


@dataclass(slots=True)
class Step:
    """A step under way; ``summary`` is what its line says when it is done."""

    summary: str = ""


class Steps:
    """Prints the steps of a run as they end. In a terminal, a spinner shows the one under way.

    Listens to a build, too (`indexing.Progress`), and prints its stages as parts of the step under way.
    """

    def __init__(self, console: Console, total: int):
        """Numbers the steps up to ``total``."""
        self._console = console
        self._total = total
        self._number = 0
        self._status: Status | None = None

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Runs the body as the next step. A step that fails prints nothing."""
        self._number += 1
        step = Step()
        started = monotonic()
        with self._console.status(f"{name} ...") as self._status:
            yield step
        number = (f"  {self._number}/{self._total}  ", "dim")
        seconds = (f"{monotonic() - started:6.1f} s  ", "cyan")
        self._print(Text.assemble(number, (f"{name:<8}", "bold"), seconds, step.summary))

    def say(self, message: str) -> None:
        """Prints a remark on the step under way."""
        self._print(Text(f"{'':{_INDENT}}{message}", "dim"))

    def stage_started(self, stage: str, total: int, unit: str) -> None:
        """See `indexing.Progress.stage_started`."""
        if self._status is not None:
            self._status.update(f"Index: {stage} ...")

    def advanced(self, amount: int) -> None:
        """See `indexing.Progress.advanced`."""

    def found_done(self, amount: int) -> None:
        """See `indexing.Progress.found_done`."""

    def stage_finished(self, stage: str, seconds: float) -> None:
        """See `indexing.Progress.stage_finished`."""
        self.say(f"{stage}, {seconds:.1f} s")

    def noted(self, message: str) -> None:
        """See `indexing.Progress.noted`."""
        self.say(message)

    def finished(self, report: BuildReport) -> None:
        """See `indexing.Progress.finished`."""

    def _print(self, line: Text) -> None:
        # A pipe must show progress as it happens, and a narrow terminal may wrap.
        self._console.print(line, soft_wrap=True)
        self._console.file.flush()
