"""What the demo says while it works: one line a step, with its seconds."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic

from rich.console import Console
from rich.text import Text

from indexing import BuildReport


@dataclass(slots=True)
class Step:
    """A step under way. ``summary`` is what its line says when it is done."""

    name: str
    summary: str = ""
    _status: list[str] = field(default_factory=list)


class Steps:
    """Prints steps on a console: a spinner while one runs (in a terminal), one line when it is done."""

    def __init__(self, console: Console, total: int):
        """Numbers the steps up to ``total``."""
        self._console = console
        self._total = total
        self._number = 0

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Runs the body as the next step; a step that fails leaves no line."""
        self._number += 1
        step = Step(name)
        started = monotonic()
        with self._console.status(f"{name} ..."):
            yield step
        line = Text.assemble(
            (f"  {self._number}/{self._total}  ", "dim"),
            (f"{name:<8}", "bold"),
            (f"{monotonic() - started:6.1f} s  ", "cyan"),
        )
        line.append(step.summary)
        self._console.print(line)

    def substep(self, name: str, seconds: float) -> None:
        """Prints a part of the step under way."""
        self._console.print(Text(f"       {name:<8}{seconds:6.1f} s", "dim"))


class BuildSteps:
    """Listens to a build and prints its stages as parts of a step."""

    def __init__(self, steps: Steps, console: Console):
        """Prints through ``steps``; notes go to ``console``."""
        self._steps = steps
        self._console = console
        self.report: BuildReport | None = None

    def stage_started(self, stage: str, total: int, unit: str) -> None:
        """See `indexing.Progress.stage_started`."""

    def advanced(self, amount: int) -> None:
        """See `indexing.Progress.advanced`."""

    def stage_finished(self, stage: str, seconds: float) -> None:
        """See `indexing.Progress.stage_finished`."""
        self._steps.substep(stage, seconds)

    def noted(self, message: str) -> None:
        """See `indexing.Progress.noted`."""
        self._console.print(Text(f"       {message}", "dim"))

    def finished(self, report: BuildReport) -> None:
        """See `indexing.Progress.finished`."""
        self.report = report
