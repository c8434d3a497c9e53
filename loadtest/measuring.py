"""From when requests were due, sent and answered to what a step says of itself."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from hdrh.histogram import HdrHistogram

from loadtest.client_process import Outcomes
from loadtest.replies import OK
from loadtest.results import ClientHealth, Latency, PercentilePoint, Second, Step, Tally
from loadtest.schedule import Pace, Requests
from loadtest.workloads import Workload

_Mask = npt.NDArray[np.bool_]

# From 1 microsecond to an hour, with three significant digits.
_LOWEST_US, _HIGHEST_US, _DIGITS = 1, 3_600_000_000, 3
# Points of the distribution for each halving of what is left to 100 %.
_TICKS = 5
# Lateness of 1 % of the requests that still counts as on time: this, or this share of the latency's own 99 %.
_LATE_MS = 10.0
_LATE_SHARE = 0.1


def measured_step(
    pace: Pace,
    requests: Requests,
    outcomes: Outcomes,
    *,
    began_s: float,
    in_flight_limit: int,
    processes: int,
    good_within_ms: float,
) -> Step:
    """Returns the step that these requests were, without its warm-up and without verdicts.

    Args:
        pace: How fast they were due.
        requests: What was due when.
        outcomes: What became of each.
        began_s: When the measured part began, since the run began.
        in_flight_limit: How many might be in flight.
        processes: How many clients sent them.
        good_within_ms: An answer that came later is not good.
    """
    is_measured = requests.due_s >= pace.warm_up_s
    table = _Table(requests.due_s, requests.workload, outcomes, good_within_ms)
    latencies_ms = table.latency_ms[is_measured & table.is_answered]
    histogram = _histogram(latencies_ms)
    return Step(
        kind=pace.kind,
        rate=pace.rate,
        rate_end=pace.rate_end,
        began_s=began_s,
        seconds=pace.seconds,
        total=table.tally(is_measured),
        workloads={
            kind.value: table.tally(own)
            for number, kind in enumerate(Workload)
            if (own := is_measured & (requests.workload == number)).any()
        },
        timeline=tuple(table.timeline(is_measured, pace, began_s)),
        percentiles=tuple(_percentiles(histogram)),
        histogram=histogram.encode().decode(),
        client=_client(table, is_measured, outcomes, processes, in_flight_limit),
        verdicts=(),
    )


@dataclass(slots=True)
class _Table:
    """The requests of a step, column by column."""

    due_s: npt.NDArray[np.float64]
    workload: npt.NDArray[np.uint8]
    outcomes: Outcomes
    good_within_ms: float

    @property
    def is_answered(self) -> _Mask:
        is_ok: _Mask = self.outcomes.code == self.outcomes.index(OK)
        return is_ok

    @property
    def latency_ms(self) -> npt.NDArray[np.float64]:
        return (self.outcomes.finished_s - self.due_s) * 1000.0

    @property
    def is_sent(self) -> _Mask:
        return ~np.isnan(self.outcomes.sent_s)

    def tally(self, chosen: _Mask) -> Tally:
        """Returns what became of the chosen requests."""
        outcomes = self.outcomes
        answered = chosen & self.is_answered
        complete = answered & outcomes.complete
        latencies_ms = self.latency_ms
        counts = np.bincount(outcomes.code[chosen], minlength=len(outcomes.codes)).tolist()
        return Tally(
            intended=int(chosen.sum()),
            sent=int((chosen & self.is_sent).sum()),
            answered=int(answered.sum()),
            errors={code: count for code, count in zip(outcomes.codes, counts, strict=True) if count and code != OK},
            complete=int(complete.sum()),
            good=int((complete & (latencies_ms <= self.good_within_ms)).sum()),
            cached=int((answered & outcomes.cached).sum()),
            coverage=float(outcomes.coverage[answered].mean()) if answered.any() else None,
            latency=latency_of(latencies_ms[answered]),
        )

    def timeline(self, chosen: _Mask, pace: Pace, began_s: float) -> list[Second]:
        """Returns the seconds of the measured part."""
        edges = np.append(np.arange(0.0, pace.seconds), pace.seconds) + pace.warm_up_s
        sent = np.histogram(self.outcomes.sent_s[chosen & self.is_sent], edges)[0].tolist()
        done = np.histogram(self.outcomes.finished_s[chosen], edges)[0].tolist()
        # The requests are in order of their due times, so each second is a slice of them.
        cuts = np.searchsorted(self.due_s, edges)
        return [
            Second(began_s + number, self._rows(int(cuts[number]), int(cuts[number + 1])), sent[number], done[number])
            for number in range(len(edges) - 1)
        ]

    def _rows(self, start: int, end: int) -> Tally:
        own = slice(start, end)
        outcomes = self.outcomes
        part = Outcomes(
            sent_s=outcomes.sent_s[own],
            finished_s=outcomes.finished_s[own],
            code=outcomes.code[own],
            complete=outcomes.complete[own],
            cached=outcomes.cached[own],
            coverage=outcomes.coverage[own],
            codes=outcomes.codes,
        )
        rows = _Table(self.due_s[own], self.workload[own], part, self.good_within_ms)
        return rows.tally(np.ones(end - start, dtype=np.bool_))


def latency_of(latencies_ms: npt.NDArray[np.float64]) -> Latency | None:
    """Returns the quantiles of latencies; None of none.

    A quantile is the smallest of them that so many are not above, as in an HdrHistogram: one that occurred.
    """
    if not latencies_ms.size:
        return None
    quantiles = np.quantile(latencies_ms, (0.5, 0.9, 0.95, 0.99, 1.0), method="inverted_cdf").tolist()
    return Latency(float(latencies_ms.mean()), *quantiles)


def _histogram(latencies_ms: npt.NDArray[np.float64]) -> HdrHistogram:
    histogram = HdrHistogram(_LOWEST_US, _HIGHEST_US, _DIGITS)
    microseconds = np.clip(np.rint(latencies_ms * 1000.0), _LOWEST_US, _HIGHEST_US).astype(np.int64)
    for value, count in zip(*(each.tolist() for each in np.unique(microseconds, return_counts=True)), strict=True):
        histogram.record_value(value, count)
    return histogram


def _percentiles(histogram: HdrHistogram) -> list[PercentilePoint]:
    if not histogram.get_total_count():
        return []
    return [
        PercentilePoint(
            item.percentile_level_iterated_to, item.value_iterated_to / 1000.0, item.total_count_to_this_value
        )
        for item in histogram.get_percentile_iterator(_TICKS)
    ]


def _client(table: _Table, chosen: _Mask, outcomes: Outcomes, processes: int, in_flight_limit: int) -> ClientHealth:
    late_ms = (outcomes.sent_s - table.due_s)[chosen & table.is_sent] * 1000.0
    late = latency_of(late_ms)
    latency = latency_of(table.latency_ms[chosen & table.is_answered])
    late_p99_ms = late.p99_ms if late else 0.0
    return ClientHealth(
        processes=processes,
        late_p99_ms=late_p99_ms,
        late_max_ms=late.max_ms if late else 0.0,
        cpu_share=outcomes.cpu_share,
        most_in_flight=outcomes.most_in_flight,
        in_flight_limit=in_flight_limit,
        kept_schedule=late_p99_ms <= max(_LATE_MS, _LATE_SHARE * latency.p99_ms if latency else 0.0),
    )
