"""``python -m bench faults``: every fault in order, and the table of what became of the traffic."""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from bench.faults import (
    bad_input,
    cluster_file_faults,
    coordinator_faults,
    corruption,
    generation_swap,
    link_faults,
    namespaces,
    replica_faults,
)
from bench.faults.cluster import CORPUS, REPLICAS, FaultCluster
from bench.faults.indexes import NUM_SHARDS, build_indexes
from bench.faults.namespaces import Namespace
from bench.faults.oracle import Oracle
from bench.faults.overload import Overload, overload
from bench.faults.scenario import RATE, TIMEOUT_S, Scenario, run_scenario
from bench.faults.verdict import Verdict
from bench.options import BenchOptions
from bench.report import Report

NUM_ANSWERS = 200
COLUMNS = (
    "fault",
    "requests",
    "wrong",
    "hung",
    "avoidable errors",
    "excused",
    "recovery, s",
    "p50, ms",
    "p99, ms",
)

# The answers must come from the shards, not from what was answered before; and one client sends all of them.
SETTINGS = {"HEADWATER_COORDINATOR_RESULT_CACHE_BYTES": "0"}

_SCENARIOS = (
    *replica_faults.SCENARIOS,
    *coordinator_faults.SCENARIOS,
    *generation_swap.SCENARIOS,
    *cluster_file_faults.SCENARIOS,
    *link_faults.SCENARIOS,
    *bad_input.SCENARIOS,
    *corruption.SCENARIOS,
)

SHORT = (
    Scenario("replica killed (SIGKILL)", replica_faults.kill_one),
    Scenario("replica frozen (SIGSTOP)", replica_faults.freeze_one),
    Scenario("a server of each shard restarted in turn", replica_faults.restart_one_of_each),
    Scenario("index generation swapped, and back", generation_swap.swap_and_back),
    Scenario("malformed messages, wrong tokens and slow-loris connections", bad_input.all_at_once),
)
"""What `make test` runs of it."""


def run(options: BenchOptions, console: Console) -> Report:
    """Starts the cluster and does to it all that the suite knows."""
    skipped = namespaces.why_not()
    with ExitStack() as stack:
        namespace = None if skipped else stack.enter_context(Namespace())
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hw-faults-")))
        with console.status("building two generations of a made-up index"):
            indexes = build_indexes(directory, num_copies=REPLICAS, num_answers=NUM_ANSWERS)
        oracle = stack.enter_context(Oracle([indexes.copies[0], indexes.next_generation], CORPUS, indexes.answers))
        with console.status("starting shard servers and the coordinator on Ray"):
            cluster = stack.enter_context(FaultCluster(indexes, namespace, SETTINGS))
        scenarios = [*_SCENARIOS, *(() if skipped else link_faults.NAMESPACE_SCENARIOS)]
        verdicts = run_all(scenarios, cluster, oracle, console.log)
        with console.status("twice the capacity"):
            overloaded = overload(cluster, oracle)
    return report([*verdicts, overloaded.verdict], overloaded, skipped)


def run_all(
    scenarios: Sequence[Scenario],
    cluster: FaultCluster,
    oracle: Oracle,
    tell: Callable[[str], None],
    timeout_s: float = TIMEOUT_S,
) -> list[Verdict]:
    """Runs scenarios one after the other on one cluster; each request has so much time."""
    verdicts = []
    for scenario in scenarios:
        verdicts.append(run_scenario(scenario, cluster, oracle, timeout_s))
        tell(describe(verdicts[-1]))
    return verdicts


def describe(verdict: Verdict) -> str:
    """Returns one line of progress."""
    outcome = "as it should be" if not verdict.failures else "; ".join(verdict.failures)
    return f"{verdict.kind}: {verdict.requests} requests, recovery {verdict.recovery_s:.2f} s: {outcome}"


def report(verdicts: Sequence[Verdict], overloaded: Overload, skipped: str) -> Report:
    """Returns the table and the published figures."""
    notes = [
        f"{NUM_SHARDS} shards x {REPLICAS} replicas, {RATE:g} requests/s; every answer compared with a quiet index",
        f"capacity {overloaded.capacity:.0f} answers/s, with {overloaded.goodput_at_2x:.0%} of it left at twice that",
    ]
    if skipped:
        notes.append(f"network namespaces skipped: {skipped}")
    return Report(
        title=f"{len(verdicts)} faults under steady traffic",
        columns=COLUMNS,
        rows=[_row(verdict) for verdict in verdicts],
        figures={
            "fault_kinds": len(verdicts),
            "wrong_answers": sum(verdict.wrong for verdict in verdicts),
            "hung_requests": sum(verdict.hung for verdict in verdicts),
            "avoidable_errors": sum(verdict.avoidable for verdict in verdicts),
            "worst_recovery_s": max(verdict.recovery_s for verdict in verdicts),
            "goodput_at_2x": overloaded.goodput_at_2x,
        },
        failures=[failure for verdict in verdicts for failure in verdict.failures],
        notes=notes,
    )


def _row(verdict: Verdict) -> list[str]:
    counts = (verdict.requests, verdict.wrong, verdict.hung, verdict.avoidable, verdict.excused)
    return [
        verdict.kind,
        *map(str, counts),
        f"{verdict.recovery_s:.2f}",
        f"{verdict.median_ms:.0f}",
        f"{verdict.p99_ms:.0f}",
    ]
