"""The ``headwater`` command. Subcommands are imported when they are used, so that ``--help`` is quick."""

import os
import sys
from importlib.metadata import version
from typing import Any, NoReturn

import click

from headwater.lazy_group import LazyGroup

# name: (module, attribute, line of help). The help is repeated here so that listing imports nothing.
_COMMANDS = {
    "trace": ("headwater.trace_command", "trace", "Trace an answer to the documents that hold its passages."),
    "count": ("headwater.count_command", "count", "Count how often a text occurs in an index."),
    "index": ("headwater.index_command", "index", "Build, change, check, move and describe indexes."),
    "serve": ("headwater.serve_command", "serve", "Serve an index: shard servers and a coordinator."),
    "health": ("headwater.health_command", "health", "Say whether a server is ready, as an exit status."),
    "keys": ("headwater.keys_command", "keys", "Make API keys, and check the file that holds their hashes."),
    "takedown": (
        "headwater.takedown_command",
        "takedown",
        "Take documents out of what is served, and let them back in.",
    ),
    "demo": ("headwater.demo", "demo", "Build a small index and trace an answer through a real cluster."),
}

# What a shell reports for a command that SIGINT ended.
_EXIT_INTERRUPTED = 130


class HeadwaterGroup(LazyGroup):
    """Turns the errors of commands that callers can act on into one line."""

    commands_by_name = _COMMANDS

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the subcommand; an error that is not our bug becomes one line and exit status 1."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:  # the edge of the process: what nobody expected is raised again
            if not is_expected(error):
                raise
            raise click.ClickException(message_of(error)) from error


@click.group(cls=HeadwaterGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("headwater"), prog_name="headwater")
def cli() -> None:
    """Trace what a language model wrote back to the documents it was trained on."""


def is_expected(error: Exception) -> bool:
    """Says whether an error is about input, files or network rather than a bug of ours."""
    from coordinator.errors import CoordinatorError
    from index_format.errors import IndexFormatError

    # What this process has not imported cannot have raised anything, and need not be imported to say so.
    others = (("indexing.errors", "IndexingError"), ("suffix_engine", "EngineError"))
    bases: list[type[Exception]] = [CoordinatorError, IndexFormatError]
    bases += [getattr(sys.modules[module], name) for module, name in others if module in sys.modules]
    return isinstance(error, tuple(bases)) or (isinstance(error, OSError) and error.filename is not None)


def message_of(error: Exception) -> str:
    """Returns an error's message, with nothing in it that a terminal would obey."""
    from headwater.plain_text import visible

    if isinstance(error, OSError) and error.filename is not None:
        return visible(f"{error.filename}: {error.strerror}")
    return visible(str(error))


def main() -> NoReturn:
    """Runs the command of this process. Ctrl-C ends it quietly with status 130."""
    try:
        cli.main(standalone_mode=False)
        sys.stdout.flush()
    except click.Abort:
        sys.exit(_EXIT_INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of a pipe left, as `head` does. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(0)


if __name__ == "__main__":
    main()
