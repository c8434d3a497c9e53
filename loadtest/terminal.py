"""A load test on a terminal: a line for each step as it ends, and tables at the end."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from loadtest.compare import Comparison
from loadtest.results import Latency, Run, Step, Tally

_MISSING = "-"


def show_step(step: Step, console: Console) -> None:
    """Prints a step in one line."""
    total = step.total
    latency = _quantiles(total.latency)
    state = _state(step)
    late = "" if step.client.kept_schedule else f"; client late, {step.client.late_p99_ms:.0f} ms at 99 %"
    console.print(
        f"{step.kind:<8} {_rate(step):>11}/s {step.seconds:5.0f} s  p50 {latency[0]}  p95 {latency[1]}  "
        f"p99 {latency[2]} ms  {_errors(total.errors) or 'no errors'}{late}  {state}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def show_run(run: Run, console: Console) -> None:
    """Prints the tables of a run."""
    configuration = run.configuration
    console.print(
        f"\n{configuration.protocol} {configuration.target}, {configuration.arrivals} arrivals, "
        f"{configuration.processes} client processes, seed {configuration.seed}; "
        f"{run.machine.cores} cores, load average {run.machine.load_before:.1f} to {run.machine.load_after:.1f}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    console.print(_steps_table(run))
    if run.steps:
        last = run.steps[-1]
        console.print(_workloads_table(last))
        if last.verdicts:
            console.print(_verdicts_table(last))
    if run.highest_rate is not None:
        console.print(f"highest rate that meets the targets: {run.highest_rate:g} requests/s", highlight=False)
    for note in run.notes:
        console.print(note, style="yellow", markup=False, highlight=False)
    if run.steps and run.steps[-1].verdicts:
        console.print("passed" if run.passed else "FAILED", style="green" if run.passed else "red")


def show_comparison(comparison: Comparison, console: Console) -> None:
    """Prints a run beside an earlier one."""
    table = Table(title=f"against the run of {comparison.earlier_at}", title_justify="left")
    for column in ("", "earlier", "now", "ratio", " "):
        table.add_column(column, justify="left" if not column.strip() else "right")
    for row in comparison.rows:
        numbers = (_MISSING if each is None else f"{each:.{row.decimals}f}" for each in (row.earlier, row.now))
        ratio = _MISSING if row.ratio is None else f"{row.ratio:.2f}"
        table.add_row(row.name, *numbers, ratio, "[red]worse[/]" if row.is_regression else "")
    console.print(table)
    for note in comparison.notes:
        console.print(note, style="yellow", markup=False, highlight=False)


def _steps_table(run: Run) -> Table:
    table = Table(title="steps", title_justify="left")
    for column in (
        "step",
        "due/s",
        "good/s",
        "requests",
        "p50 ms",
        "p95",
        "p99",
        "max",
        "errors",
        "complete",
        "client",
    ):
        table.add_column(column, justify="left" if column in ("step", "client") else "right")
    for step in run.steps:
        latency = step.total.latency
        p50, p95, p99 = _quantiles(latency)
        client = f"{step.client.late_p99_ms:.1f} ms late" + ("" if step.client.kept_schedule else " (!)")
        table.add_row(
            f"{step.kind} {_state(step)}",
            _rate(step),
            f"{step.goodput_per_s:.1f}",
            f"{step.total.intended:,}",
            *(p50, p95, p99, _MISSING if latency is None else f"{latency.max_ms:.0f}"),
            f"{step.total.error_rate:.2%}",
            f"{step.total.complete_share:.2%}",
            client,
        )
    return table


def _workloads_table(step: Step) -> Table:
    table = Table(title=f"workloads of the last step ({_rate(step)}/s)", title_justify="left")
    for column in ("workload", "requests", "p50 ms", "p95", "p99", "cached", "complete", "errors"):
        table.add_column(column, justify="left" if column in ("workload", "errors") else "right")
    rows: list[tuple[str, Tally]] = [*step.workloads.items(), ("all", step.total)]
    for name, tally in rows:
        cached = f"{tally.cached / tally.answered:.1%}" if tally.answered else _MISSING
        table.add_row(
            name,
            f"{tally.intended:,}",
            *_quantiles(tally.latency),
            cached,
            f"{tally.complete_share:.2%}",
            _errors(tally.errors) or "none",
        )
    return table


def _verdicts_table(step: Step) -> Table:
    table = Table(title="targets", title_justify="left")
    for column in ("target", "wanted", "measured", ""):
        table.add_column(column, justify="right" if column == "measured" else "left")
    for verdict in step.verdicts:
        table.add_row(
            verdict.target,
            f"{verdict.bound} {verdict.wanted:g}",
            _MISSING if verdict.measured is None else f"{verdict.measured:.4g}",
            "[green]met[/]" if verdict.met else "[red]missed[/]",
        )
    return table


def _state(step: Step) -> str:
    if not step.verdicts:
        return ""
    missed = [verdict.target for verdict in step.verdicts if not verdict.met]
    return f"misses {', '.join(missed)}" if missed else "ok"


def _rate(step: Step) -> str:
    return f"{step.rate:g}" if step.rate == step.rate_end else f"{step.rate:g}-{step.rate_end:g}"


def _errors(errors: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {code}" for code, count in sorted(errors.items(), key=lambda one: -one[1]))


def _quantiles(latency: Latency | None) -> tuple[str, str, str]:
    if latency is None:
        return _MISSING, _MISSING, _MISSING
    return f"{latency.p50_ms:.1f}", f"{latency.p95_ms:.1f}", f"{latency.p99_ms:.1f}"
