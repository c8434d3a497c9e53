"""``headwater trace``: trace an answer, show the documents."""

import os
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from coordinator.api.json_codec import dumps
from headwater.answer_input import TextCommand, read_file, read_text
from headwater.render_html import check_report_place, write_report
from headwater.render_terminal import print_trace
from headwater.target_options import target_options, to_target
from headwater.trace_options import to_trace_options, trace_options

# Narrower than this, a snippet is no longer readable; a pipe gets the usual width of a terminal.
_MIN_WIDTH = 60
_PIPE_WIDTH = 100

_PATH = click.Path(path_type=Path, dir_okay=False)


@click.command(cls=TextCommand)
@click.argument("answer", required=False)
@click.option("--file", type=_PATH, metavar="FILE", help="Read the answer from a file.")
@target_options
@click.option("--prompt", metavar="TEXT", help="What the model was asked; weighs in the ranking.")
@click.option("--prompt-file", type=_PATH, metavar="FILE", help="Read the prompt from a file.")
@click.option(
    "--documents",
    "num_documents",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    metavar="N",
    help="Documents to show in the terminal; --json and --html hold all.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole trace as JSON instead.")
@click.option("--html", "html_file", type=_PATH, metavar="FILE", help="Also write a page to read it on.")
@click.option("--no-color", is_flag=True, help="No colour; the default when the output is not a terminal.")
@trace_options
def trace(
    answer: str | None,
    file: Path | None,
    prompt: str | None,
    prompt_file: Path | None,
    num_documents: int,
    as_json: bool,
    html_file: Path | None,
    no_color: bool,
    **flags: Any,
) -> None:
    """Trace ANSWER to the documents of an index that hold its passages word for word.

    ANSWER may be '-' for standard input. The line end that closes a file or standard input is not traced.
    Searches index directories in this process (--index) or asks a coordinator (--connect).

    Example: headwater trace --index my-index --prompt "What is a list?" --file answer.txt
    """
    if prompt is not None and prompt_file is not None:
        raise click.UsageError("Give the prompt with --prompt or --prompt-file, not both.")
    target = to_target(flags)
    options = to_trace_options(flags)
    if html_file is not None:
        check_report_place(html_file)
    text = read_text(answer, file, "answer")
    asked = read_file(prompt_file) if prompt_file else prompt or ""
    with target.open() as index:
        found = index.trace(text, asked, options, corpora=target.corpora, require_complete=target.require_complete)
    if html_file is not None:
        write_report(html_file, found, asked)
    if as_json:
        click.echo(dumps(found))
    else:
        print_trace(found, output_console(no_color=no_color), num_documents)
    if html_file is not None:
        click.echo(f"Report written to {html_file}", err=True)


def output_console(*, no_color: bool = False) -> Console:
    """Returns a console on standard output: colour and width of the terminal there, plain text in a pipe.

    The environment variable ``NO_COLOR`` is ``--no-color``.
    """
    is_terminal = sys.stdout.isatty()
    plain = no_color or not is_terminal or bool(os.environ.get("NO_COLOR"))
    console = Console(file=sys.stdout, color_system=None if plain else "auto", highlight=False)
    console.width = max(_MIN_WIDTH, console.width if is_terminal else _PIPE_WIDTH)
    return console
