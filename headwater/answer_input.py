"""Reads the text to trace or count: from an argument, a file or standard input, as UTF-8 and nothing else."""

import sys
from pathlib import Path

import click


def read_text(argument: str | None, file: Path | None, what: str) -> str:
    """Returns the text that the caller named, exactly as it is.

    ``argument`` may be ``-`` for standard input, which is also read when nothing is named and it is no
    terminal.

    Raises:
        click.UsageError: both or neither were named.
        click.ClickException: the text is not UTF-8, or the file cannot be read.
    """
    if argument is not None and file is not None:
        raise click.UsageError(f"Give the {what} as an argument or with --file, not both.")
    if file is not None:
        return read_file(file)
    if argument is not None and argument != "-":
        return _decode(argument.encode("utf-8", "surrogateescape"), f"the {what}")
    if argument is None and sys.stdin.isatty():
        raise click.UsageError(f"Give the {what} as an argument, with --file, or '-' to read standard input.")
    return _decode(sys.stdin.buffer.read(), "standard input")


def read_file(path: Path) -> str:
    """Returns the content of a file.

    Raises:
        click.ClickException: it cannot be read or is not UTF-8.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise click.ClickException(f"{path}: cannot read the file ({error.strerror})") from error
    return _decode(content, str(path))


def _decode(content: bytes, name: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise click.ClickException(
            f"{name}: not UTF-8 text (byte 0x{content[error.start]:02x} at offset {error.start}); convert it to UTF-8"
        ) from error
