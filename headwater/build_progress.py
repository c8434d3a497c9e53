"""Shows the progress of a build: bars with rate and time left on a terminal, a line now and then elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from indexing import BuildReport
from indexing.disk_needs import format_bytes

# Between the lines of a stage where there is no terminal: a log of an hour stays readable.
_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def build_progress(console: Console) -> Iterator["TerminalProgress | PlainProgress"]:
    """Yields what listens to a build and shows it on ``console``; a bar is taken down at the end."""
    if not console.is_terminal:
        yield PlainProgress(console)
        return
    columns = (
        TextColumn("{task.description:<20}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        _RateColumn(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        yield TerminalProgress(bars)


class TerminalProgress:
    """One bar for the current stage, one line for each that is done. Implements `indexing.Progress`."""

    def __init__(self, bars: Progress):
        self._bars = bars
        self._task: TaskID | None = None
        self.report: BuildReport | None = None

    def stage_started(self, stage: str, total: int, unit: str) -> None:
        """Starts a bar."""
        self._task = self._bars.add_task(stage, total=total, unit=unit)

    def advanced(self, amount: int) -> None:
        """Moves the bar; the rate counts anew where it moves back."""
        if amount < 0:
            self.found_done(amount)
        elif self._task is not None:
            self._bars.advance(self._task, amount)

    def found_done(self, amount: int) -> None:
        """Lets the bar begin further on; the rate counts from there."""
        if self._task is not None:
            done = self._bars.tasks[self._bars.task_ids.index(self._task)].completed
            self._bars.reset(self._task, completed=int(done) + amount)

    def stage_finished(self, stage: str, seconds: float) -> None:
        """Replaces the bar by a line."""
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None
        self._bars.refresh()
        self._bars.console.print(f"{stage:<20} {format_seconds(seconds)}", highlight=False)

    def noted(self, message: str) -> None:
        """Prints the message above the bar."""
        self._bars.console.print(message, markup=False, highlight=False)

    def finished(self, report: BuildReport) -> None:
        """Keeps the report; the command prints it."""
        self.report = report


class PlainProgress:
    """Lines of text for a log or a pipe. Implements `indexing.Progress`."""

    def __init__(self, console: Console):
        self._console = console
        self._stage = self._unit = ""
        self._total = self._done = self._found = 0
        self._started = self._last_line = 0.0
        self.report: BuildReport | None = None

    def stage_started(self, stage: str, total: int, unit: str) -> None:
        """Prints what begins."""
        self._stage, self._unit, self._total, self._done, self._found = stage, unit, total, 0, 0
        self._started = self._last_line = monotonic()
        self._print(f"{stage}: {_amount(total, unit)}")

    def advanced(self, amount: int) -> None:
        """Prints how far it is, if the last line is old enough."""
        self._done += amount
        now = monotonic()
        if now - self._last_line < _SECONDS_BETWEEN_LINES or self._done <= 0:
            return
        self._last_line = now
        rate = self._done / (now - self._started)
        done = self._found + self._done
        left = max(0, self._total - done) / rate
        share = min(1.0, done / max(1, self._total))
        self._print(f"{self._stage}: {share:.0%}, {_amount(rate, self._unit)}/s, {format_seconds(left)} left")

    def found_done(self, amount: int) -> None:
        """Prints how much was done; the rate counts from there."""
        self._found += amount
        self._print(f"{self._stage}: {_amount(amount, self._unit)} were done before")

    def stage_finished(self, stage: str, seconds: float) -> None:
        """Prints how long it took."""
        self._print(f"{stage}: done in {format_seconds(seconds)}")

    def noted(self, message: str) -> None:
        """Prints the message."""
        self._print(message)

    def finished(self, report: BuildReport) -> None:
        """Keeps the report; the command prints it."""
        self.report = report

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
        self._console.file.flush()


def format_seconds(seconds: float) -> str:
    """Returns a duration for people: ``4.2 s``, ``3 min 20 s``, ``5 h 02 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


class _RateColumn(ProgressColumn):
    """Bytes or tokens a second."""

    def render(self, task: Task) -> Text:
        rate = task.finished_speed or task.speed
        if rate is None:
            return Text("")
        return Text(f"{_amount(rate, task.fields.get('unit', ''))}/s")


def _amount(amount: float, unit: str) -> str:
    if unit == "bytes":
        return format_bytes(round(amount))
    for size, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if amount >= size:
            return f"{amount / size:.3g} {prefix} {unit}"
    return f"{amount:.0f} {unit}"
