"""The report of a run as one self-contained page: no network, no script, no text of a stranger's as markup."""

from collections.abc import Iterable, Sequence
from html import escape
from importlib import resources

from headwater.page_assets import asset
from headwater.plain_text import visible
from loadtest.compare import Comparison, Row, compare
from loadtest.report_charts import (
    distribution,
    goodput_against_rate,
    latency_against_rate,
    milliseconds,
    process_rows,
    timeline,
)
from loadtest.results import ClientHealth, Run, Step, Tally, Verdict

_STEP_NAMES = {
    "rate": "at a set rate",
    "ramp": "rising rate",
    "bracket": "bracket",
    "bisect": "bisect",
    "verify": "verify, longer",
    "soak": "soak",
}
_QUANTITIES = {
    "p50_ms": "half of the answers within",
    "p95_ms": "95 % of the answers within",
    "p99_ms": "99 % of the answers within",
}


def render(run: Run, earlier: Run | None = None) -> str:
    """Returns the page of a run, beside an earlier one if there is one."""
    comparison = compare(run, earlier) if earlier is not None else None
    last = run.steps[-1] if run.steps else None
    before = earlier.steps[-1] if earlier is not None and earlier.steps else None
    sections = [
        section("Targets", targets_table(last.verdicts)) if last is not None and last.verdicts else "",
        section("Rates", rates(run, before)),
        section("Against the earlier run", _comparison(comparison)) if comparison is not None else "",
        *sections_of_run(run),
    ]
    verdict = _verdict(run)
    return page("Headwater load test", _told(run), verdict, run.passed, [], [*summary_of(run), ""], sections)


def page(
    title: str,
    told: str,
    verdict: str,
    passed: bool,
    reasons: Sequence[str],
    header: Iterable[str],
    sections: Iterable[str],
) -> str:
    """Returns a page in the form that load tests and soaks share.

    Args:
        title: What it is about.
        told: When and against what, in a line.
        verdict: What came out, in a few words.
        passed: Whether that is good.
        reasons: Why it is not, one by one.
        header: Markup that follows the verdict.
        sections: Markup of the sections.
    """
    why = "".join(f"<li>{text(reason)}</li>" for reason in reasons)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{text(title)}: {text(verdict)}</title>
<style>{asset("palette.css")}{resources.files("loadtest").joinpath("report.css").read_text(encoding="utf-8")}</style>
</head>
<body>
<header>
<h1>{text(title)}</h1>
<p class="run">{text(told)}</p>
<p class="verdict{"" if passed else " missed"}">{text(verdict)}</p>
{f'<ul class="why">{why}</ul>' if why else ""}
{"".join(header)}</header>
<main>
{"".join(sections)}</main>
<footer>
<p>Made by <code>python -m loadtest</code>. Requests go out when they are due, whatever became of those before them;
latencies count from then.</p>
</footer>
</body>
</html>
"""


def section(title: str, content: str) -> str:
    """Returns a section, or nothing if it would be empty."""
    return f"<section><h2>{text(title)}</h2>{content}</section>\n" if content else ""


def table(columns: Sequence[str], rows: str, *, words: int = 1) -> str:
    """Returns a table; the first ``words`` columns hold words, the others numbers."""
    heads = "".join(
        f'<th scope="col"{"" if number < words else " class=number"}>{text(column)}</th>'
        for number, column in enumerate(columns)
    )
    return f'<div class="tables"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def text(content: str) -> str:
    """Returns text that is no markup, with what cannot be seen made visible."""
    return escape(visible(content))


def summary_of(run: Run) -> list[str]:
    """Returns the figures of the last step, and notes on what to make of them."""
    if not run.steps:
        return []
    last = run.steps[-1]
    total = last.total
    figures = [(f"{run.highest_rate:,.4g}/s", "highest rate that meets the targets")] if run.highest_rate else []
    if run.highest_rate != last.rate:
        figures.append((f"{last.rate:,.4g}/s", "requests in the last step"))
    if total.latency is not None:
        figures += [
            (milliseconds(round(total.latency.p50_ms, 1)), "half within"),
            (milliseconds(round(total.latency.p99_ms, 1)), "99 % within"),
        ]
    figures += [
        (f"{total.intended:,}", "requests"),
        (f"{total.error_rate:.2%}", "errors"),
        (f"{total.complete_share:.2%}", "of the answers complete"),
        (f"{last.goodput_per_s:,.1f}/s", "good answers"),
    ]
    cells = "".join(f"<div><dd>{text(value)}</dd><dt>{text(label)}</dt></div>" for value, label in figures)
    notes = [f'<p class="note">{text(note)}</p>' for note in run.notes]
    if not last.client.kept_schedule:
        notes.append(
            f'<p class="note alarm">The client did not keep its schedule: {_lateness(last.client)}. The latencies are '
            "partly its own.</p>"
        )
    return [f'<dl class="summary">{cells}</dl>\n', *notes]


def sections_of_run(run: Run) -> list[str]:
    """Returns the sections that any run has: time line, workloads, processes, and how it was made."""
    last = run.steps[-1] if run.steps else None
    processes = process_rows(run.processes)
    columns = ("process", "memory, MiB", "", "file descriptors", "", "threads", "")
    return [
        section("Time line", f'<div class="wide">{timeline(run)}</div>' if timeline(run) else ""),
        section("Workloads", _workloads(last)) if last is not None else "",
        section(
            "Processes",
            "<p>From the first look to the last. A line covers at least a fifth of its highest value.</p>"
            + table(columns, processes)
            if processes
            else "",
        ),
        section("How it was measured", _conditions(run)),
    ]


def _told(run: Run) -> str:
    configuration = run.configuration
    return f"{run.started_at}, {configuration.target} over {configuration.protocol}{' with TLS' * configuration.tls}"


def _verdict(run: Run) -> str:
    if not run.steps or not any(step.verdicts for step in run.steps):
        return "Measured, without targets"
    if not run.passed:
        return "A target was missed"
    if run.highest_rate is not None:
        return f"{run.highest_rate:,.4g} requests a second meet the targets"
    return "Every target was met"


def rates(run: Run, before: Step | None = None) -> str:
    """Returns pictures and a table of the rates of a run, beside the last step of an earlier one."""
    last = run.steps[-1] if run.steps else None
    by_rate = latency_against_rate(run) + goodput_against_rate(run)
    pictures = f'<div class="pictures">{by_rate}</div>' if by_rate else ""
    if last is not None:
        pictures += f'<div class="wide">{distribution(last, before)}</div>'
    return pictures + _steps(run.steps)


def targets_table(verdicts: Sequence[Verdict]) -> str:
    """Returns targets beside what was measured."""
    rows = []
    for verdict in verdicts:
        measured = "nothing" if verdict.measured is None else _amount(verdict.target, verdict.measured)
        outcome = '<td class="number">met</td>' if verdict.met else '<td class="number bad">missed</td>'
        rows.append(
            f"<tr><td>{text(_QUANTITIES.get(verdict.target, verdict.target.replace('_', ' ')))}</td>"
            f'<td class="number">{verdict.bound} {text(_amount(verdict.target, verdict.wanted))}</td>'
            f'<td class="number">{text(measured)}</td>{outcome}</tr>'
        )
    return table(("target", "wanted", "measured", ""), "".join(rows))


def _amount(target: str, value: float) -> str:
    if target.endswith("_ms"):
        return f"{value:,.1f} ms" if value < 1000 else f"{value / 1000:,.2f} s"
    if target.endswith("_per_s"):
        return f"{value:,.1f}/s"
    return f"{value:.2%}" if 0 <= value <= 1 else f"{value:,g}"


def _steps(steps: Sequence[Step]) -> str:
    columns = (
        "step",
        "requests/s",
        "seconds",
        "requests",
        "p50",
        "p95",
        "p99",
        "slowest",
        "errors",
        "complete",
        "good/s",
        "",
    )
    rows = []
    for step in steps:
        rate = f"{step.rate:,.4g}" if step.rate == step.rate_end else f"{step.rate:,.4g} to {step.rate_end:,.4g}"
        missed = [verdict.target for verdict in step.verdicts if not verdict.met]
        outcome = "" if not step.verdicts else "met" if not missed else "missed " + ", ".join(missed)
        if not step.client.kept_schedule:
            outcome = f"{outcome}; client late".removeprefix("; ")
        cells = [rate, f"{step.seconds:.0f}", f"{step.total.intended:,}", *_quantiles(step.total), *_shares(step.total)]
        numbers = "".join(f'<td class="number">{text(cell)}</td>' for cell in [*cells, f"{step.goodput_per_s:,.1f}"])
        bad = " bad" if missed else ""
        rows.append(f'<tr><td>{_STEP_NAMES[step.kind]}</td>{numbers}<td class="number{bad}">{text(outcome)}</td></tr>')
    return table(columns, "".join(rows)) if rows else ""


def _workloads(step: Step) -> str:
    if len(step.workloads) < 2:
        return ""
    rows = "".join(
        f"<tr><td>{text(name)}</td>"
        + "".join(
            f'<td class="number">{text(cell)}</td>'
            for cell in (f"{tally.intended:,}", *_quantiles(tally), *_shares(tally), f"{tally.cached:,}")
        )
        + "</tr>"
        for name, tally in step.workloads.items()
    )
    columns = ("workload", "requests", "p50", "p95", "p99", "slowest", "errors", "complete", "from the result cache")
    return f"<p>Of the last step.</p>{table(columns, rows)}"


def _quantiles(tally: Tally) -> list[str]:
    latency = tally.latency
    if latency is None:
        return ["", "", "", ""]
    return [f"{each:,.1f} ms" for each in (latency.p50_ms, latency.p95_ms, latency.p99_ms, latency.max_ms)]


def _shares(tally: Tally) -> list[str]:
    errors = ", ".join(f"{code} {count:,}" for code, count in sorted(tally.errors.items()) if count)
    return [errors or "0", f"{tally.complete_share:.2%}"]


def _comparison(comparison: Comparison) -> str:
    notes = "".join(f'<p class="note">{text(note)}</p>' for note in comparison.notes)
    rows = "".join(map(_row, comparison.rows))
    return (
        f"<p>The earlier run began {text(comparison.earlier_at)}. Worse by more than {comparison.tolerance:.0%} is a "
        f"regression.</p>{table(('', 'earlier', 'now', 'now / earlier'), rows)}{notes}"
    )


def _row(row: Row) -> str:
    def cell(value: float | None) -> str:
        return "" if value is None else f"{value:,.{row.decimals}f}"

    bad, told = (" bad", "worse") if row.is_regression else ("", "")
    ratio = told if row.ratio is None else f"{row.ratio:.2f}"
    return (
        f'<tr><td>{text(row.name)}</td><td class="number">{cell(row.earlier)}</td>'
        f'<td class="number">{cell(row.now)}</td><td class="number{bad}">{ratio}</td></tr>'
    )


def _lateness(client: ClientHealth) -> str:
    return (
        f"99 % of the requests went out within {client.late_p99_ms:.1f} ms of when they were due, the latest after "
        f"{client.late_max_ms:.0f} ms"
    )


def _conditions(run: Run) -> str:
    configuration, machine = run.configuration, run.machine
    mix = ", ".join(f"{share:.0%} {name}" for name, share in configuration.workloads.items())
    client = run.steps[-1].client if run.steps else None
    rows = [
        ("machine", f"{machine.processor}, {machine.cores} cores, {machine.memory_gib:.0f} GiB, {machine.kernel}"),
        ("load of the machine", f"{machine.load_before:.1f} before, {machine.load_after:.1f} after"),
        ("arrivals", f"{configuration.arrivals}, seed {configuration.seed}"),
        ("workloads", f"{mix}; {configuration.hot_share:.0%} of the requests repeat one of a few"),
        ("time that a request has", f"{configuration.timeout_s:g} s"),
        (
            "client",
            f"{configuration.processes} processes with {configuration.connections} connections each, at most "
            f"{configuration.in_flight_limit:,} requests in flight{', with a key' * configuration.with_key}",
        ),
    ]
    if client is not None:
        rows.append(
            (
                "client in the last step",
                f"{_lateness(client)}; {client.cpu_share:.0%} of a core; at most {client.most_in_flight:,} in flight",
            )
        )
    return table(("", ""), "".join(f"<tr><td>{text(a)}</td><td>{text(b)}</td></tr>" for a, b in rows), words=2)
