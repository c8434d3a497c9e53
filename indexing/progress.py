"""What a build tells about itself: a protocol for who listens, and the report at the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

from indexing.chunks import SourceCounts


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a finished build did.

    Attributes:
        num_documents: Documents in the index.
        num_tokens: Positions, as manifests count them: every token and one separator a document.
        text_bytes: UTF-8 text of the documents.
        index_bytes: The index on disk.
        temporary_bytes: Disk that temporary files took beside it, at the most.
        skipped_bad: Lines and rows left out as they hold no document.
        skipped_empty: Documents left out as they have no token.
        sources: What each source file gave, in reading order.
        stage_seconds: One entry a stage, in order; of this attempt, if others were interrupted.
        notes: What was noted.
        continued: Whether it went on with an attempt that was interrupted, so that not all took place in these seconds.
    """

    num_documents: int
    num_tokens: int
    text_bytes: int
    index_bytes: int
    temporary_bytes: int
    skipped_bad: int
    skipped_empty: int
    sources: tuple[SourceCounts, ...]
    stage_seconds: tuple[tuple[str, float], ...]
    notes: tuple[str, ...]
    continued: bool = False


class Progress(Protocol):
    """Listens to a build. Stages come one after another, calls from different threads but never two at once."""

    def stage_started(self, stage: str, total: int, unit: str) -> None:
        """A stage begins that will advance to about ``total`` of ``unit`` (``"bytes"`` or ``"tokens"``)."""

    def advanced(self, amount: int) -> None:
        """The current stage did ``amount`` more of its unit; less than 0 if some of it has to be done again."""

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
    """Times the stages of one run, passes them on to a listener and remembers what was noted.

    ``temporary_bytes`` is the most disk that temporary files took, as far as stages have said.
    """

    def __init__(self, progress: Progress):
        self._progress = progress
        self._seconds: dict[str, float] = {}
        self._notes: list[str] = []
        self.temporary_bytes = 0

    @contextmanager
    def stage(self, stage: str, total: int, unit: str) -> Iterator[Progress]:
        """Runs the body as one stage."""
        started = monotonic()
        self._progress.stage_started(stage, total, unit)
        yield self._progress
        seconds = monotonic() - started
        self._seconds[stage] = self._seconds.get(stage, 0.0) + seconds
        self._progress.stage_finished(stage, seconds)

    def note(self, message: str) -> None:
        """Tells the listener and keeps the message for the report."""
        self._notes.append(message)
        self._progress.noted(message)

    def tell(self, message: str) -> None:
        """Tells the listener only."""
        self._progress.noted(message)

    def took_temporarily(self, size_bytes: int) -> None:
        """Remembers how much disk temporary files take at a moment."""
        self.temporary_bytes = max(self.temporary_bytes, size_bytes)

    def finish(self, report: BuildReport) -> None:
        """Tells the listener that the index is published."""
        self._progress.finished(report)

    @property
    def seconds(self) -> tuple[tuple[str, float], ...]:
        """Seconds of each finished stage, in order; those of one that came several times together."""
        return tuple(self._seconds.items())

    @property
    def notes(self) -> tuple[str, ...]:
        """What was noted so far."""
        return tuple(self._notes)
