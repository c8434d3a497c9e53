"""What a build tells about itself: a protocol for who listens, and the report at the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Protocol


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a finished build did.

    ``num_tokens`` counts positions, as manifests do: every token and one separator a document. ``text_bytes`` is the
    UTF-8 text of the indexed documents. ``stage_seconds`` has one entry a stage, in order.
    """

    num_documents: int
    num_tokens: int
    text_bytes: int
    index_bytes: int
    skipped_bad: int
    skipped_empty: int
    stage_seconds: tuple[tuple[str, float], ...]
    notes: tuple[str, ...]


class Progress(Protocol):
    """Listens to a build. Stages come one after another, calls from different threads but never two at once."""

    def stage_started(self, stage: str, total: int, unit: str) -> None:
        """A stage begins that will advance to about ``total`` of ``unit`` (``"bytes"`` or ``"tokens"``)."""

    def advanced(self, amount: int) -> None:
        """The current stage did ``amount`` more of its unit."""

    def found_done(self, amount: int) -> None:
        """``amount`` of the current stage's unit was done before it began, by an attempt that was interrupted."""

    def stage_finished(self, stage: str, seconds: float) -> None:
        """The current stage is done."""

    def noted(self, message: str) -> None:
        """Something that whoever started the build should read, in one line."""

    def finished(self, report: BuildReport) -> None:
        """The index is published."""


class SilentProgress:
    """Listens to nothing."""

    def stage_started(self, stage: str, total: int, unit: str) -> None:
        """See `Progress.stage_started`."""

    def advanced(self, amount: int) -> None:
        """See `Progress.advanced`."""

    def found_done(self, amount: int) -> None:
        """See `Progress.found_done`."""

    def stage_finished(self, stage: str, seconds: float) -> None:
        """See `Progress.stage_finished`."""

    def noted(self, message: str) -> None:
        """See `Progress.noted`."""

    def finished(self, report: BuildReport) -> None:
        """See `Progress.finished`."""


class Stages:
    """Times the stages of one run, passes them on to a listener and remembers what was noted."""

    def __init__(self, progress: Progress):
        self._progress = progress
        self._seconds: list[tuple[str, float]] = []
        self._notes: list[str] = []

    @contextmanager
    def stage(self, stage: str, total: int, unit: str) -> Iterator[Progress]:
        """Runs the body as one stage."""
        started = monotonic()
        self._progress.stage_started(stage, total, unit)
        yield self._progress
        seconds = monotonic() - started
        self._seconds.append((stage, seconds))
        self._progress.stage_finished(stage, seconds)

    def note(self, message: str) -> None:
        """Tells the listener and keeps the message for the report."""
        self._notes.append(message)
        self._progress.noted(message)

    def finish(self, report: BuildReport) -> None:
        """Tells the listener that the index is published."""
        self._progress.finished(report)

    @property
    def seconds(self) -> tuple[tuple[str, float], ...]:
        """Seconds of each finished stage, in order."""
        return tuple(self._seconds)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was noted so far."""
        return tuple(self._notes)
