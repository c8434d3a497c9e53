"""The report of a soak as one self-contained page: the page of its run, with what was asked of it besides."""

from collections.abc import Sequence

from loadtest.leaks import Bounds, Growth
from loadtest.report_charts import milliseconds
from loadtest.report_page import page, rates, section, sections_of_run, summary_of, table, targets_table, text
from loadtest.soak_result import FaultFound, Soak

_MIB = 1 << 20


def render_soak(soak: Soak) -> str:
    """Returns the page."""
    run = soak.run
    last = run.steps[-1]
    minutes = last.seconds / 60
    verdict = (
        f"{minutes:.3g} minutes at {last.rate:.4g} requests a second with {len(soak.faults)} faults: "
        f"{'passed' if soak.passed else 'not passed'}"
    )
    told = f"{run.started_at}, {_of_what(soak)}, seed {run.configuration.seed}"
    time_line, *others = sections_of_run(run)
    sections = [
        section("Answers", _answers(soak)),
        section("Targets, outside of the fault windows", targets_table(last.verdicts)),
        section("Faults", _faults(soak.faults, soak.recovery_s)),
        time_line,
        section("Rates", rates(run)),
        section("Growth", _growth(soak.growths, soak.bounds)),
        *others,
    ]
    return page("Headwater soak", told, verdict, soak.passed, soak.failures, summary_of(run), sections)


def _of_what(soak: Soak) -> str:
    if soak.run.highest_rate is None:
        return "at a rate that was set"
    return f"{soak.rate_share:.0%} of the highest rate that met the targets, {soak.run.highest_rate:.4g} requests/s"


def _answers(soak: Soak) -> str:
    return (
        f"<p>{soak.compared:,} answers were compared with those of a quiet index, of the generation and under the "
        f"takedowns that may have been in force: {soak.wrong:,} were wrong, and {soak.unnoticed:,} more from a damaged "
        f"file before the damage could be noticed. {soak.cached:,} of all came from the result cache. {soak.hung:,} "
        f"requests had no outcome. {soak.quiet_requests:,} were due outside of the fault windows.</p>"
    )


def _faults(faults: Sequence[FaultFound], recovery_s: float) -> str:
    rows = []
    for fault in faults:
        numbers = (
            f"{fault.start_s:.0f} s",
            f"{fault.mended_s - fault.start_s:.1f} s",
            f"{fault.requests:,}",
            f"{fault.wrong:,}",
            f"{fault.hung:,}",
            f"{fault.errors:,}",
            f"{fault.incomplete:,}",
            milliseconds(round(fault.slowest_ms)),
            f"{fault.recovery_s:.1f} s",
        )
        cells = "".join(
            f'<td class="number{" bad" if bad else ""}">{number}</td>'
            for number, bad in zip(
                numbers, (0, 0, 0, fault.wrong, fault.hung, 0, 0, 0, fault.recovery_s > recovery_s), strict=True
            )
        )
        rows.append(f'<tr><td class="{"bad" if fault.checks else ""}">{text(fault.kind)}</td>{cells}</tr>')
    columns = (
        "fault", "began", "mended after", "requests", "wrong", "hung", "errors", "incomplete", "slowest",
        "recovered after",
    )  # fmt: skip
    return (
        f"<p>A fault's window is from its beginning until {recovery_s:g} s after it was mended. Errors and incomplete "
        "answers are part of a window; wrong answers and requests without an outcome never are.</p>"
        + table(columns, "".join(rows))
        if rows
        else ""
    )


def _growth(growths: Sequence[Growth], bounds: Bounds) -> str:
    rows = "".join(
        f'<tr><td>{text(one.name)}</td><td class="number">{one.seconds:.0f} s</td>'
        f'<td class="number{_bad(one, "memory")}">{one.rss_bytes / _MIB:+.1f} MiB</td>'
        f'<td class="number{_bad(one, "descriptors")}">{one.num_fds:+.1f}</td>'
        f'<td class="number{_bad(one, "threads")}">{one.num_threads:+.1f}</td></tr>'
        for one in growths
    )
    columns = ("process", "looked at for", "memory", "file descriptors", "threads")
    told = (
        f"<p>By the trend (Theil and Sen) after the first {bounds.warm_up_s:.0f} s of a process. Allowed: "
        f"{bounds.rss_share:.0%} of its memory and {bounds.rss_bytes / _MIB:.0f} MiB, {bounds.num_fds:g} file "
        f"descriptors, {bounds.num_threads:g} threads. Processes that were looked at for less than "
        f"{bounds.least_s:.0f} s after that are not judged.</p>"
    )
    return told + table(columns, rows) if rows else ""


def _bad(growth: Growth, what: str) -> str:
    return " bad" if any(what in told for told in growth.over) else ""
