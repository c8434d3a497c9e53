"""The flags that say where a command looks: indexes in this process or a coordinator, and in which corpora."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import click

import headwater
from coordinator.corpus import DEFAULT_NAME, NAME_PATTERN
from coordinator.errors import InvalidRequestError
from coordinator.redaction.settings import DEFAULT_REDACTION
from headwater.address import checked_address
from headwater.connection import Connection
from headwater.connection_options import connection_options, to_connection
from headwater.plain_text import visible
from headwater.target import TracedIndex

_F = TypeVar("_F", bound=Callable[..., Any])

# A directory may have an equals sign in its name: what stands before it must be a name of a corpus.
_NAMED = re.compile(f"({NAME_PATTERN})=(.+)", re.DOTALL)

# Parameter names are keys of the flags that `to_target` takes.
_FLAGS = (
    click.option(
        "--index",
        "indexes",
        multiple=True,
        metavar="[NAME=]DIR",
        help="Index to search in this process, with no server. Repeat with names to search several as corpora.",
    ),
    click.option(
        "--takedowns",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Takedown file that a search with --index obeys; a coordinator has its own.",
    ),
    click.option(
        "--redaction",
        metavar="WORD|FILE",
        help="What a search with --index does about personal data in documents: redact, withhold, off, or a file that "
        "says so by source. [default: redact]",
    ),
    click.option("--connect", metavar="HOST:PORT", help="Coordinator to ask, as 'headwater serve' starts one."),
    click.option(
        "--corpus",
        "corpora",
        multiple=True,
        metavar="NAME",
        help="Search this corpus only; repeat for several. [default: all]",
    ),
    click.option(
        "--require-complete",
        is_flag=True,
        help="Fail if a shard does not answer, instead of answering without it.",
    ),
)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a command looks: one of ``directories`` (by corpus) and ``address``; and what it asks there.

    ``corpora`` and ``require_complete`` are as in `coordinator.requests.TraceRequest`.
    """

    directories: Mapping[str, Path]
    address: str | None
    corpora: tuple[str, ...]
    require_complete: bool
    connection: Connection = field(default_factory=Connection)
    takedowns: Path | None = None
    redaction: str = DEFAULT_REDACTION

    def open(self) -> TracedIndex:
        """Opens the directories, or connects to the coordinator."""
        if self.address is None:
            # Of one directory the name is no corpus of the takedowns, unless it was given.
            is_unnamed = list(self.directories) == [DEFAULT_NAME]
            index = self.directories[DEFAULT_NAME] if is_unnamed else self.directories
            return headwater.open(index, takedowns=self.takedowns, redaction=self.redaction)
        from headwater.remote import connect  # loads gRPC

        return connect(self.address, self.connection)


def target_options(command: _F) -> _F:
    """Adds the flags of `to_target` to a command: where to look, in which corpora, and how to connect."""
    command = connection_options(command)
    for flag in reversed(_FLAGS):
        command = flag(command)
    return command


def to_target(flags: dict[str, Any]) -> Target:
    """Returns what the flags of `target_options` say, and takes them out of ``flags``. Nothing is opened or read.

    Raises:
        click.UsageError: ``--index`` and ``--connect`` were both given, or neither; two directories have one name; or
            the address has no host and port.
    """
    indexes, address = flags.pop("indexes"), flags.pop("connect")
    corpora, require_complete, takedowns = (flags.pop(name) for name in ("corpora", "require_complete", "takedowns"))
    redaction = flags.pop("redaction")
    if indexes and address is not None:
        raise click.UsageError("Give --index DIR or --connect HOST:PORT, not both.")
    if not indexes and address is None:
        raise click.UsageError("Give either --index DIR or --connect HOST:PORT.")
    if takedowns is not None and address is not None:
        raise click.UsageError("--takedowns goes with --index; a coordinator obeys its own takedown_file.")
    if redaction is not None and address is not None:
        raise click.UsageError("--redaction goes with --index; a coordinator has its own setting.")
    if address is not None:
        try:
            checked_address(address)
        except InvalidRequestError as error:
            raise click.UsageError(f"--connect: {visible(str(error))}") from error
    connection = to_connection(flags, is_used=address is not None)
    return Target(
        _by_corpus(indexes), address, corpora, require_complete, connection, takedowns, redaction or DEFAULT_REDACTION
    )


def _by_corpus(indexes: Sequence[str]) -> dict[str, Path]:
    directories: dict[str, Path] = {}
    for text in indexes:
        named = _NAMED.fullmatch(text)
        name, directory = named.groups() if named else (DEFAULT_NAME, text)
        if name in directories:
            raise click.UsageError(
                f"--index: two directories of the corpus {name!r}; name each, as in --index pre=DIR --index post=DIR."
            )
        directories[name] = Path(directory)
    return directories
