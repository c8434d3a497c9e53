"""``python -m bench NAME``: runs one bench, prints its table, and exits with 1 if its results are wrong."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console

from bench import (
    build,
    cold,
    disk,
    growth,
    parity,
    projection,
    ray_build,
    reads,
    redaction,
    remote_profile,
    size,
    sort,
    takedown,
    throughput,
    tokenize,
    trace,
    trust,
)
from bench.corpus import REPOSITORY
from bench.errors import BenchError
from bench.faults import suite as faults
from bench.faults.page import write_table
from bench.fuzz import suite as fuzz
from bench.machine import conditions, load_average
from bench.options import BenchOptions
from bench.report import Report, show, write_json
from coordinator.errors import CoordinatorError
from headwater.size_type import SizeType
from index_format.errors import IndexFormatError
from indexing import IndexingError
from suffix_engine import EngineError

_FILE_COLUMNS = 160
_RELIABILITY_PAGE = REPOSITORY / "docs" / "reliability.md"

_BENCHES: dict[str, Callable[[BenchOptions, Console], Report]] = {
    "build": build.run,
    "cold": cold.run,
    "disk": disk.run,
    "faults": faults.run,
    "fuzz": fuzz.run,
    "growth": growth.run,
    "parity": parity.run,
    "projection": projection.run,
    "ray_build": ray_build.run,
    "reads": reads.run,
    "redaction": redaction.run,
    "remote_profile": remote_profile.run,
    "size": size.run,
    "sort": sort.run,
    "takedown": takedown.run,
    "throughput": throughput.run,
    "tokenize": tokenize.run,
    "trace": trace.run,
    "trust": trust.run,
}


def main() -> int:
    """Returns the exit code: 0 if the results are right, 1 if they are wrong, 2 if the bench could not run."""
    arguments = _parser().parse_args()
    console = _console()
    load = load_average()
    options = BenchOptions(
        index=arguments.index,
        conversations=arguments.conversations,
        tokenizer=arguments.tokenizer,
        passes=arguments.passes,
        remote=arguments.remote,
        large=arguments.large,
        sizes=tuple(sorted(arguments.sizes)),
        memory_bytes=arguments.memory,
        cases=arguments.cases,
        seed=arguments.seed,
    )
    try:
        report = _BENCHES[arguments.name](options, console)
    except (BenchError, IndexFormatError, IndexingError, CoordinatorError, EngineError) as error:
        console.print(str(error), style="red", markup=False)
        return 2
    measured_on = conditions(load)
    show(report, measured_on, console)
    if arguments.write_docs and arguments.name == "faults":
        write_table(report, measured_on, _RELIABILITY_PAGE)
    if arguments.json is not None:
        write_json(report, measured_on, arguments.json)
    return 1 if report.failures else 0


def _console() -> Console:
    """Returns a console; into a file or a pipe, which have no width, it writes tables whole."""
    console = Console()
    return console if console.is_terminal else Console(width=_FILE_COLUMNS)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Runs one benchmark and prints its table.")
    parser.add_argument("name", choices=sorted(_BENCHES), help="which bench")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    parser.add_argument("--write-docs", action="store_true", help="faults: put the table into docs/reliability.md")
    parser.add_argument("--index", type=Path, metavar="DIR", help="an index of yours, instead of the shared corpus")
    parser.add_argument("--conversations", type=Path, metavar="FILE", help="prompts and answers to trace on it (JSONL)")
    parser.add_argument("--tokenizer", type=Path, metavar="FILE", help="parity: of an index that infini-gram built")
    parser.add_argument("--passes", type=_positive, default=5, metavar="N", help="measurements of our side (default 5)")
    parser.add_argument(
        "--remote",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="trace: measure over gRPC through Ray too (default)",
    )
    parser.add_argument(
        "--large",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="reads, projection, takedown: measure on ten times the corpus, sampled from it once (default; 2.8 GB)",
    )
    parser.add_argument(
        "--sizes",
        type=_number_of_tokens,
        nargs="+",
        default=(10**7, 10**8, 10**9),
        metavar="N",
        help="growth: tokens of the texts (default 10M 100M 1G; the last takes 30 GB of disk)",
    )
    parser.add_argument(
        "--memory",
        type=_size_bytes,
        default=4 << 30,
        metavar="SIZE",
        help="growth: most memory of each process, which decides the number of parts (default 4GiB)",
    )
    parser.add_argument(
        "--cases",
        type=_number_of_tokens,
        default=10_000_000,
        metavar="N",
        help="fuzz: wrong inputs, over all readers (default 10M, about a quarter of an hour)",
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="fuzz: another seed, other inputs")
    return parser


def _number_of_tokens(text: str) -> int:
    number = text.upper()
    unit = {"M": 10**6, "G": 10**9}.get(number[-1:], 1)
    return _positive(number.rstrip("MG")) * unit


def _size_bytes(text: str) -> int:
    try:
        return SizeType().convert(text, None, None)
    except click.UsageError as error:
        raise argparse.ArgumentTypeError(error.message) from error


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number}, expected at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
