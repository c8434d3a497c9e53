"""The flags of ``headwater takedown``: what is taken down, and where the list is kept."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from coordinator.takedowns import Takedown
from headwater.connection_options import connection_options

_F = TypeVar("_F", bound=Callable[..., Any])

_KINDS = ("document", "url", "domain", "source")

_TARGETS = (
    click.option("--document", "documents", multiple=True, metavar="ID", help="Document, CORPUS:SHARD:NUMBER."),
    click.option("--index-id", default="", metavar="ID", help="Index that --document is of, as a trace's JSON says."),
    click.option("--url", "urls", multiple=True, metavar="URL", help="Documents with this url, however it is written."),
    click.option("--domain", "domains", multiple=True, metavar="HOST", help="Documents of this host, or below it."),
    click.option("--source", "sources", multiple=True, metavar="NAME", help="Documents of this source."),
    click.option(
        "--content",
        "contents",
        multiple=True,
        metavar="SHA256:TOKENS",
        help="Documents with these token ids: SHA-256 of them as u32, and how many they are.",
    ),
    click.option("--corpus", "corpora", multiple=True, metavar="NAME", help="In this corpus only; repeat for several."),
)

_PLACES = (
    click.option("--connect", metavar="HOST:PORT", help="Coordinator to ask; needs a key with the role admin."),
    click.option(
        "--file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Takedown file to read or change without a coordinator; those that use it see the change.",
    ),
)


def target_flags(command: _F) -> _F:
    """Adds the flags that `to_takedowns` takes: each may be given several times."""
    return _with(command, _TARGETS)


def place_flags(command: _F) -> _F:
    """Adds ``--connect``, ``--file``, and how to connect."""
    return _with(connection_options(command), _PLACES)


def check_place(connect: str | None, file: Path | None) -> None:
    """Checks that exactly one of the two is given.

    Raises:
        click.UsageError: it is not.
    """
    if (connect is None) == (file is None):
        raise click.UsageError("Give --connect HOST:PORT or --file FILE, one of them.")


def to_takedowns(flags: dict[str, Any], reason: str = "") -> list[Takedown]:
    """Returns what the flags of `target_flags` say, and takes them out of ``flags``.

    Raises:
        click.UsageError: they name nothing, or a content is not written as it must be.
    """
    corpora = tuple(flags.pop("corpora"))
    index_id = flags.pop("index_id")
    takedowns = [
        Takedown(
            corpora=corpora,
            reason=reason,
            index_id=index_id if kind == "document" else "",
            **{kind: value},
        )
        for kind in _KINDS
        for value in flags.pop(f"{kind}s")
    ]
    if index_id and not any(one.document for one in takedowns):
        raise click.UsageError("--index-id goes with --document.")
    for content in flags.pop("contents"):
        sha256, colon, tokens = content.partition(":")
        if not colon or not tokens.isascii() or not tokens.isdecimal() or len(tokens) > 18:
            raise click.UsageError(f"--content {content[:100]!r}, expected SHA256:TOKENS.")
        takedowns.append(
            Takedown(corpora=corpora, reason=reason, content_sha256=sha256.lower(), content_tokens=int(tokens))
        )
    if not takedowns:
        raise click.UsageError("Say what: --document, --url, --domain, --source or --content.")
    return takedowns


def _with(command: _F, flags: tuple[Callable[[Any], Any], ...]) -> _F:
    for flag in reversed(flags):
        command = flag(command)
    return command
