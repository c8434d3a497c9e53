"""Where a command looks: an index directory in this process, or a coordinator. Both answer alike."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import click

import headwater
from coordinator.errors import InvalidRequestError
from coordinator.requests import TraceOptions
from coordinator.results import Count, Description, DocumentText, Trace, TraceEvent
from coordinator.values import DocumentId
from headwater.address import checked_address
from headwater.plain_text import visible

_F = TypeVar("_F", bound=Callable[..., Any])


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

    def document(self, id: DocumentId | str, start: int = 0, max_tokens: int = 2_000) -> DocumentText:
        """Returns a run of a document."""

    def describe(self) -> Description:
        """Says what the index holds."""

    def close(self) -> None:
        """Releases what the object holds."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


def target_options(command: _F) -> _F:
    """Adds ``--index`` and ``--connect`` to a command."""
    command = click.option(
        "--connect", metavar="HOST:PORT", help="Coordinator to ask, as 'headwater serve' starts one."
    )(command)
    return click.option(
        "--index",
        "index_directory",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Index to search in this process, with no server.",
    )(command)


def check_target(index_directory: Path | None, connect: str | None) -> None:
    """Checks, before any text is read, that one target is named.

    Raises:
        click.UsageError: both or neither of the options of `target_options` were given, or no host and port.
    """
    if index_directory is not None and connect is not None:
        raise click.UsageError("Give --index DIR or --connect HOST:PORT, not both.")
    if connect is not None:
        try:
            checked_address(connect)
        except InvalidRequestError as error:
            raise click.UsageError(f"--connect: {visible(str(error))}") from error
    elif index_directory is None:
        raise click.UsageError("Give either --index DIR or --connect HOST:PORT.")


def open_target(index_directory: Path | None, connect: str | None) -> TracedIndex:
    """Opens the index directory, or connects to the coordinator, that `check_target` let through."""
    if connect is not None:
        return headwater.connect(connect)
    assert index_directory is not None
    return headwater.open(index_directory)
