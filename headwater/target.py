"""What a command asks: indexes in this process, or a coordinator. Both answer alike."""

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Protocol, Self

from coordinator.requests import TraceOptions
from coordinator.results import Count, Description, DocumentText, Trace, TraceEvent
from coordinator.values import DocumentId


class TracedIndex(Protocol):
    """What `headwater.open` and `headwater.connect` both return."""

    def trace(
        self,
        answer: str,
        prompt: str = "",
        options: TraceOptions | None = None,
        *,
        corpora: Sequence[str] = (),
        require_complete: bool = False,
    ) -> Trace:
        """Traces an answer."""

    def trace_stream(
        self,
        answer: str,
        prompt: str = "",
        options: TraceOptions | None = None,
        *,
        corpora: Sequence[str] = (),
        require_complete: bool = False,
    ) -> Iterator[TraceEvent]:
        """Traces an answer and tells it as it comes about."""

    def count(self, text: str, *, corpora: Sequence[str] = (), require_complete: bool = False) -> Count:
        """Counts a text."""

    def document(
        self, id: DocumentId | str, start: int = 0, max_tokens: int = 2_000, *, index_id: str = ""
    ) -> DocumentText:
        """Returns a run of a document."""

    def describe(self) -> Description:
        """Says what the index holds."""

    def close(self) -> None:
        """Releases what the object holds."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
