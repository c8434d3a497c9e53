"""The options that several ``headwater index`` commands take, each said once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from headwater.size_type import SizeType
from indexing.plan import MAX_PARTS, MAX_THREADS

_F = TypeVar("_F", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)

PARTS = click.option(
    "--parts",
    type=click.IntRange(min=1, max=MAX_PARTS),
    metavar="N",
    help="Sort each shard in so many parts and merge them; as few as the memory allows if not given.",
)
SEED = click.option(
    "--seed", type=int, default=0, show_default=True, metavar="N", help="Which share a sample looks at."
)
SKIP_BAD_LINES = click.option(
    "--skip-bad-lines", is_flag=True, help="Leave out and count lines that hold no document, instead of failing."
)
TEXT_FIELD = click.option(
    "--text-field", default="text", show_default=True, metavar="NAME", help="Field or column of the text."
)
METADATA_FIELD = click.option(
    "--metadata-field",
    "metadata_fields",
    multiple=True,
    metavar="NAME",
    help="Another field to keep with each document; repeat for more. Without it all are kept.",
)
STAGE = click.option(
    "--stage", default="", metavar="LABEL", help="Training stage of these documents, like 'pretraining'."
)
SOURCE = click.option("--source", default="", metavar="LABEL", help="Name of the corpus.")


def json_option(printed: str = "the summary") -> Callable[[_F], _F]:
    """Returns ``--json``, which has ``printed`` printed as JSON."""
    return click.option("--json", "as_json", is_flag=True, help=f"Print {printed} as JSON.")


def threads_option(threads: str = "Threads") -> Callable[[_F], _F]:
    """Returns ``--threads``: how many of ``threads`` there are; 0, which it is if not given, is one a core."""
    return click.option(
        "--threads",
        type=click.IntRange(min=0, max=MAX_THREADS),
        default=0,
        metavar="N",
        help=f"{threads}; one a core if not given.",
    )


def sample_option(text: str) -> Callable[[_F], _F]:
    """Returns ``--sample``, a share between 0 and 1, both excluded."""
    return click.option(
        "--sample", type=click.FloatRange(0, 1, min_open=True, max_open=True), metavar="SHARE", help=text
    )


def memory_option(more: str = "") -> Callable[[_F], _F]:
    """Returns ``--memory`` of what sorts, as ``memory_bytes``; ``more`` goes on with its help."""
    return click.option(
        "--memory",
        "memory_bytes",
        type=SizeType(),
        metavar="SIZE",
        help=f"Most memory of each process; 80 % of what is free if not given.{more}",
    )
