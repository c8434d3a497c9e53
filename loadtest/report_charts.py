"""The pictures of a run: latency against rate, the time line, the distribution of latencies, and the processes."""

from collections.abc import Callable, Iterator, Sequence
from html import escape

from loadtest.charts import Axis, Band, Level, Series, line_chart, spark
from loadtest.results import Latency, ProcessSeries, Run, Second, Step, Tally, Verdict

_WIDE, _TALL = 1080, 190
_MIB = 1 << 20
_QUANTILES = (("p50", "p50_ms", 1), ("p95", "p95_ms", 2), ("p99", "p99_ms", 3))


def latency_against_rate(run: Run) -> str:
    """Returns the latencies of each rate that was tried, hollow where a target was missed; empty if it is one rate."""
    steps = _by_rate(run)
    if len(steps) < 2:
        return ""
    missed = frozenset(number for number, step in enumerate(steps) if not step.passed)
    series = [
        Series(label, [(step.rate, _quantile(step.total, name)) for step in steps], colour, dots=True, hollow=missed)
        for label, name, colour in _QUANTILES
    ]
    levels = [Level(verdict.wanted, f"{verdict.target.removesuffix('_ms')} wanted") for verdict in _wanted(run, "_ms")]
    return _figure(
        "<b>Latency against rate</b>, from when requests were due. Hollow: a target was missed there.",
        line_chart(
            series,
            Axis("requests a second", _number, lowest=0.0),
            Axis("", milliseconds, "log"),
            "Latency quantiles by rate",
            levels=levels,
            height=260,
        ),
    )


def goodput_against_rate(run: Run) -> str:
    """Returns what was answered well at each rate; empty if it is one rate."""
    steps = _by_rate(run)
    if len(steps) < 2:
        return ""
    series = [
        Series("asked for", [(step.rate, step.rate) for step in steps], 5),
        Series(
            "good answers",
            [(step.rate, step.goodput_per_s) for step in steps],
            1,
            dots=True,
            hollow=frozenset(number for number, step in enumerate(steps) if not step.passed),
        ),
    ]
    return _figure(
        "<b>Goodput against rate</b>: complete answers that came in time, a second.",
        line_chart(
            series,
            Axis("requests a second", _number, lowest=0.0),
            Axis("", _number, lowest=0.0),
            "Good answers a second by rate",
            height=260,
        ),
    )


def timeline(run: Run) -> str:
    """Returns how rate, latency, errors and coverage went, second by second, with the fault windows shaded."""
    if not any(step.timeline for step in run.steps):
        return ""
    bands = [Band(window.start_s, window.end_s, window.label) for window in run.windows]
    x = Axis("seconds since the run began", _number)

    def chart(caption: str, series: Sequence[Series], y: Axis, levels: Sequence[Level] = ()) -> str:
        told = caption.partition("</b>")[0].removeprefix("<b>")
        picture = line_chart(series, x, y, f"{told} over time", bands=bands, levels=levels, width=_WIDE, height=_TALL)
        return _figure(caption, picture)

    quantiles = [
        Series(label, _over_time(run, lambda second, name=name: _quantile(second.tally, name)), colour)  # type: ignore[misc]
        for label, name, colour in (("slowest", "max_ms", 5), *_QUANTILES[::2])
    ]
    shaded = " Shaded: faults, until the time to recover from them is over." if bands else ""
    return "".join(
        [
            chart(
                f"<b>Rate</b>: requests that were due, and that were answered or failed, in each second.{shaded}",
                [
                    Series("due", _over_time(run, lambda second: float(second.tally.intended)), 5, fill=True),
                    Series("done", _over_time(run, lambda second: float(second.done)), 1),
                ],
                Axis("", _number, lowest=0.0),
            ),
            chart(
                "<b>Latency</b> of the requests that were due in each second.",
                quantiles,
                Axis("", milliseconds, "log"),
                [Level(verdict.wanted, "p99 wanted") for verdict in _wanted(run, "p99_ms")],
            ),
            chart(
                "<b>Errors</b> and answers that lack a shard, of the requests that were due in each second.",
                [
                    Series("errors", _over_time(run, lambda second: float(second.tally.num_errors)), 4),
                    Series(
                        "incomplete",
                        _over_time(run, lambda second: float(second.tally.answered - second.tally.complete)),
                        2,
                    ),
                ],
                Axis("", _number, lowest=0.0),
            ),
            chart(
                "<b>Coverage</b>: mean share of the tokens that the answers searched.",
                [Series("coverage", _over_time(run, lambda second: _percent_of(second.tally.coverage)), 1, fill=True)],
                Axis("", lambda value: f"{value:g}%", lowest=0.0, highest=100.0),
            ),
        ]
    )


def distribution(step: Step, earlier: Step | None) -> str:
    """Returns the percentiles of a step's latencies, each nine in the same room, beside those of an earlier run."""
    if not step.percentiles:
        return ""
    series = [
        Series(label, [(point.percentile, point.latency_ms) for point in each.percentiles], colour)
        for label, each, colour in (("earlier", earlier, 5), ("now", step, 1))
        if each is not None
    ]
    highest = max(
        (point.percentile for point in step.percentiles if point.percentile < 100), default=99.0
    )  # the last nine that there is
    return _figure(
        f"<b>Distribution of latencies</b> at {step.rate:.4g} requests/s, {step.total.answered:,} answers: how many "
        "percent took at most so long.",
        line_chart(
            series,
            Axis("percentile", lambda value: f"{value:g}", "nines", lowest=0.0, highest=max(99.0, highest)),
            Axis("", milliseconds, "log"),
            "Latency by percentile",
            width=_WIDE,
            height=_TALL,
        ),
    )


def process_rows(processes: Sequence[ProcessSeries]) -> str:
    """Returns rows of a table: each process with its memory, descriptors and threads over time."""
    return "".join(
        f"<tr><td>{escape(each.name)}</td>{_use(each, each.rss_bytes, 'memory', _MIB)}"
        f"{_use(each, each.num_fds, 'file descriptors')}{_use(each, each.num_threads, 'threads')}</tr>"
        for each in processes
        if each.at_s
    )


def milliseconds(value: float) -> str:
    """Returns a time as one reads it."""
    return f"{value / 1000:.3g} s" if value >= 1000 else f"{value:g} ms" if value >= 1 else f"{value:.2g} ms"


def _by_rate(run: Run) -> list[Step]:
    """Returns one step of each rate, rates ascending: of several the last that passed, or else the last.

    Steps whose rate rises are not of one rate, and those of a soak have faults in them.
    """
    found: dict[float, Step] = {}
    for step in run.steps:
        if step.rate != step.rate_end or step.kind == "soak":
            continue
        before = found.get(step.rate)
        if before is None or step.passed or not before.passed:
            found[step.rate] = step
    return [found[rate] for rate in sorted(found)]


def _use(process: ProcessSeries, values: Sequence[int], what: str, unit: int = 1) -> str:
    first, last = values[0] / unit, values[-1] / unit
    points = [(at, float(value)) for at, value in zip(process.at_s, values, strict=True)]
    return (
        f'<td class="number">{first:,.0f} to {last:,.0f}</td>'
        f"<td>{spark(points, f'{what} of {process.name} over time')}</td>"
    )


def _over_time(run: Run, value: Callable[[Second], float | None]) -> list[tuple[float, float | None]]:
    """Returns a value of each second of all steps; between steps that do not follow one another the line is broken."""
    return list(_points(run, value))


def _points(run: Run, value: Callable[[Second], float | None]) -> Iterator[tuple[float, float | None]]:
    last: float | None = None
    for step in run.steps:
        for second in step.timeline:
            if last is not None and second.at_s > last + 1.5:
                yield last + 1, None
            yield float(second.at_s), value(second)
            last = second.at_s


def _quantile(tally: Tally, name: str) -> float | None:
    latency: Latency | None = tally.latency
    return getattr(latency, name) if latency is not None else None


def _percent_of(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _wanted(run: Run, suffix: str) -> list[Verdict]:
    """Returns the targets of the last step whose names end so."""
    verdicts = run.steps[-1].verdicts if run.steps else ()
    return [verdict for verdict in verdicts if verdict.target.endswith(suffix)]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:,g}"


def _figure(caption: str, picture: str) -> str:
    return f"<figure><figcaption>{caption}</figcaption>{picture}</figure>"
