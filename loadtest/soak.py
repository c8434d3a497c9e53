"""``python -m loadtest soak``: a real cluster at a share of its highest rate, with faults, held against an oracle."""

import argparse
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from bench.faults.cluster import REPLICAS, FaultCluster
from bench.faults.history import History
from bench.faults.indexes import Indexes, build_indexes
from loadtest.errors import LoadTestError
from loadtest.leaks import Bounds
from loadtest.oracle import Takedowns, TimelyOracle
from loadtest.soak_page import render_soak
from loadtest.soak_result import Soak, write_soak
from loadtest.soak_run import Plan, soak_cluster
from loadtest.targets import read_targets
from loadtest.terminal import show_step

_TARGETS = Path(__file__).with_name("targets.yaml")
_NUM_ANSWERS = 400
# About a quarter of the answers fit, so that some requests are answered from the cache and most from the shards.
_CACHE_BYTES = 8 * 1024 * 1024


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status: 0 if the soak passed, 1 if not, 2 if it could not be run."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtest soak",
        description="Runs a cluster of its own on this machine at a share of its highest rate, with one fault after "
        "the other, and compares every answer with what a quiet index says.",
    )
    _add_arguments(parser)
    given = parser.parse_args(arguments)
    console = Console()
    try:
        return _run(given, console)
    except LoadTestError as error:
        console.print(str(error), style="red", markup=False)
        return 2


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--minutes", type=float, default=30.0, metavar="N", help="how long (default 30)")
    parser.add_argument(
        "--rate-share", type=float, default=0.7, metavar="SHARE", help="share of the highest rate (default 0.7)"
    )
    parser.add_argument(
        "--rate",
        type=float,
        default=0.0,
        metavar="N",
        help="requests a second; the highest rate is not looked for then",
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of requests and faults (default 1)")
    parser.add_argument(
        "--targets", type=Path, default=_TARGETS, metavar="FILE", help="targets, outside of the fault windows (YAML)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the report there, as a page")


def _run(arguments: argparse.Namespace, console: Console) -> int:
    plan = _plan(arguments)
    with tempfile.TemporaryDirectory(prefix="hw-soak-") as directory:
        console.log("building two generations of a made-up index")
        indexes = build_indexes(Path(directory), num_copies=REPLICAS, num_answers=_NUM_ANSWERS)
        soak = _soak(indexes, plan, console)
    if arguments.json is not None:
        write_soak(soak, arguments.json)
    if arguments.html is not None:
        arguments.html.write_text(render_soak(soak), encoding="utf-8")
    for line in told(soak):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return 0 if soak.passed else 1


def told(soak: Soak) -> list[str]:
    """Returns the result in lines."""
    last = soak.run.steps[-1]
    lines = [
        f"{last.seconds:.0f} s at {last.rate:.4g} requests/s, {len(soak.faults)} faults",
        f"{soak.compared:,} answers compared, {soak.wrong:,} wrong, {soak.hung:,} requests without an outcome",
        f"{soak.unnoticed:,} more were wrong as a file was damaged, and it could not be noticed yet",
    ]
    for verdict in last.verdicts:
        measured = "not known" if verdict.measured is None else f"{verdict.measured:.4g}"
        outcome = "met" if verdict.met else "missed"
        lines.append(
            f"outside the fault windows: {verdict.target} {measured}, {verdict.bound} {verdict.wanted:g}: {outcome}"
        )
    grew = sum(bool(one.over) for one in soak.growths)
    lines.append(f"{len(soak.growths)} processes judged for growth, {grew} grew too much")
    lines += [f"judged for growth, {one.seconds:.0f} s: {one.name}" for one in soak.growths]
    return [*lines, *(f"NOT PASSED: {failure}" for failure in soak.failures), *(["passed"] if soak.passed else [])]


def _soak(indexes: Indexes, plan: Plan, console: Console) -> Soak:
    settings = {"HEADWATER_COORDINATOR_RESULT_CACHE_BYTES": str(_CACHE_BYTES)}
    takedowns: History[Takedowns] = History(())
    with ExitStack() as stack:
        console.log("starting 6 shard servers and a coordinator with 2 replicas on Ray")
        cluster = stack.enter_context(FaultCluster(indexes, None, settings))
        oracle = stack.enter_context(TimelyOracle(indexes, cluster.served, takedowns))
        return soak_cluster(
            cluster, oracle, takedowns, plan, console.log, on_step=lambda step: show_step(step, console)
        )


def _plan(arguments: argparse.Namespace) -> Plan:
    if not 0.1 <= arguments.minutes <= 24 * 60:
        raise LoadTestError(f"--minutes is {arguments.minutes:g}, expected 0.1 to 1440")
    if not 0 < arguments.rate_share <= 1:
        raise LoadTestError(f"--rate-share is {arguments.rate_share:g}, expected more than 0 and at most 1")
    if not 0 <= arguments.rate <= 10_000:
        raise LoadTestError(f"--rate is {arguments.rate:g}, expected 0 to 10000")
    seconds = 60.0 * arguments.minutes
    return Plan(
        seconds=seconds,
        rate_share=arguments.rate_share,
        rate=arguments.rate,
        seed=arguments.seed,
        targets=read_targets(arguments.targets),
        bounds=Bounds().of_run(seconds),
    )
