"""Reads the text to trace or count: from an argument, a file or standard input, as UTF-8 and nothing else."""

import sys
from pathlib import Path

import click

_BYTE_ORDER_MARK = "\ufeff"


class TextCommand(click.Command):
    """A command whose argument is a text, which may begin with ``-`` as an option does."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parses as click does; an option that does not exist may have been meant as the text."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.possibilities:
                raise
            hint = "A text that begins with '-' goes last, after '--', or into a file for --file."
            raise click.NoSuchOption(error.option_name, f"{error.message} {hint}", ctx=error.ctx) from error


def read_text(argument: str | None, file: Path | None, what: str) -> str:
    """Returns the text that the caller named: an argument exactly as it is, a file as `read_file` does.

    ``argument`` may be ``-`` for standard input, which is read as a file is, also when nothing is named and
    it is no terminal.

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
    return _content(_decode(sys.stdin.buffer.read(), "standard input"))


def read_file(path: Path) -> str:
    """Returns the content of a file, without what editors and ``echo`` add: a mark at the start, a last line end.

    Of several line ends at the end only the last is left out: the others are the text's own.

    Raises:
        click.ClickException: it cannot be read or is not UTF-8.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise click.ClickException(f"{path}: cannot read the file ({error.strerror})") from error
    return _content(_decode(content, str(path)))


def _content(text: str) -> str:
    text = text.removeprefix(_BYTE_ORDER_MARK)
    return text.removesuffix("\r\n") if text.endswith("\r\n") else text.removesuffix("\n")


def _decode(content: bytes, name: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise click.ClickException(
            f"{name}: not UTF-8 text (byte 0x{content[error.start]:02x} at offset {error.start}); convert it to UTF-8"
        ) from error
