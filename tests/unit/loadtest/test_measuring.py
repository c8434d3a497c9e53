"""What a step says of itself, held against what was made up."""

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram

from loadtest.client_process import Outcomes
from loadtest.generator import joined
from loadtest.measuring import latency_of, measured_step
from loadtest.results import IN_FLIGHT_LIMIT, Step
from loadtest.schedule import Pace, Requests
from loadtest.workloads import Workload

PACE = Pace("rate", 100, 100, 2.5, 1.0, "constant")
DUE_S = np.arange(350) / 100
WORKLOAD = (np.arange(350) % 2 * 3).astype(np.uint8)  # conversations and contamination in turn


def outcomes(latency_s: np.ndarray) -> Outcomes:
    made = Outcomes.of(350)
    made.sent_s[:] = DUE_S + 0.001
    made.finished_s[:] = DUE_S + latency_s
    made.complete[:] = True
    made.coverage[:] = 1.0
    return made


def measured(made: Outcomes, good_within_ms: float = 1e9) -> Step:
    requests = Requests(DUE_S, WORKLOAD, np.zeros(350, np.uint32), np.zeros(350, np.uint32))
    return measured_step(
        PACE, requests, made, began_s=11.0, in_flight_limit=9, processes=2, good_within_ms=good_within_ms
    )


def test_latencies_count_from_when_requests_were_due_however_late_they_were_sent() -> None:
    made = outcomes(np.full(350, 0.5))
    made.sent_s[:] = DUE_S + 0.49
    step = measured(made)
    assert step.total.latency is not None
    assert step.total.latency.p50_ms == pytest.approx(500)
    assert step.client.late_p99_ms == pytest.approx(490)
    assert not step.client.kept_schedule


def test_the_warm_up_is_left_out() -> None:
    latency_s = np.where(DUE_S < 1.0, 5.0, 0.01)
    step = measured(outcomes(latency_s))
    assert step.total.intended == 250
    assert step.total.latency is not None
    assert step.total.latency.max_ms == pytest.approx(10)
    assert step.client.kept_schedule


def test_quantiles_are_values_that_occurred() -> None:
    latency = latency_of(np.arange(1.0, 201.0))
    assert latency is not None
    assert (latency.p50_ms, latency.p90_ms, latency.p95_ms, latency.p99_ms, latency.max_ms) == (100, 180, 190, 198, 200)
    assert latency.mean_ms == 100.5
    assert latency_of(np.empty(0)) is None


def test_the_histogram_has_the_quantiles_of_the_latencies_to_a_thousandth() -> None:
    random = np.random.default_rng(3)
    latency_s = random.lognormal(-4, 1.5, 350)
    step = measured(outcomes(latency_s))
    histogram = HdrHistogram.decode(step.histogram)
    assert histogram.get_total_count() == 250
    own_ms = np.sort(latency_s[100:]) * 1000
    for quantile in (0.5, 0.9, 0.99, 1.0):
        exact = np.quantile(own_ms, quantile, method="inverted_cdf")
        # Three digits, and whole microseconds.
        assert histogram.get_value_at_percentile(100 * quantile) / 1000 == pytest.approx(exact, rel=2e-3, abs=2e-3)
    for point in step.percentiles:
        assert (own_ms <= point.latency_ms * 1.001 + 1e-3).sum() >= point.count
    assert step.percentiles[-1].count == 250
    assert [point.percentile for point in step.percentiles] == sorted(point.percentile for point in step.percentiles)


def test_errors_are_counted_by_code_and_have_no_latency() -> None:
    made = outcomes(np.full(350, 0.01))
    failed, kept_back = slice(150, 160), slice(200, 205)
    made.code[failed] = made.index("UNAVAILABLE")
    made.finished_s[failed] = DUE_S[failed] + 9.0
    made.code[kept_back] = made.index(IN_FLIGHT_LIMIT)
    made.sent_s[kept_back] = np.nan
    made.complete[failed] = made.complete[kept_back] = False
    made.complete[300:320] = False
    made.coverage[300:320] = 0.5
    made.cached[320:330] = True
    total = measured(made).total
    assert total.errors == {"UNAVAILABLE": 10, IN_FLIGHT_LIMIT: 5}
    assert (total.intended, total.sent, total.answered) == (250, 245, 235)
    assert total.error_rate == 15 / 250
    assert (total.complete, total.cached) == (215, 10)
    assert total.complete_share == 215 / 235
    assert total.coverage == pytest.approx((215 + 20 * 0.5) / 235)
    assert total.latency is not None
    assert total.latency.max_ms == pytest.approx(10)


def test_good_answers_are_complete_and_in_time() -> None:
    latency_s = np.full(350, 0.01)
    latency_s[340:] = 0.2
    made = outcomes(latency_s)
    made.complete[100:120] = False
    total = measured(made, good_within_ms=100).total
    assert total.good == 250 - 20 - 10
    assert total.goodput_share == 220 / 250


def test_workloads_and_seconds_add_up_to_the_whole() -> None:
    made = outcomes(np.linspace(0.001, 2.0, 350))
    made.code[::7] = made.index("UNAVAILABLE")
    step = measured(made)
    assert set(step.workloads) == {Workload.CONVERSATIONS, Workload.CONTAMINATION}
    for parts in (step.workloads.values(), [second.tally for second in step.timeline]):
        assert sum(part.intended for part in parts) == step.total.intended == 250
        assert sum(part.answered for part in parts) == step.total.answered
        assert sum(part.num_errors for part in parts) == step.total.num_errors
    assert [second.at_s for second in step.timeline] == [11.0, 12.0, 13.0]
    assert [second.tally.intended for second in step.timeline] == [100, 100, 50]
    # A request is sent in its second, and done when it is done.
    assert sum(second.sent for second in step.timeline) == 250
    finished = made.finished_s[100:]
    assert [second.done for second in step.timeline] == [
        int(((finished >= start) & (finished < end)).sum()) for start, end in ((1, 2), (2, 3), (3, 3.5))
    ]


def test_a_step_without_answers_has_no_quantiles() -> None:
    made = outcomes(np.full(350, 0.01))
    made.code[:] = made.index("UNAVAILABLE")
    step = measured(made)
    assert step.total.latency is None
    assert step.total.coverage is None
    assert step.percentiles == ()
    assert step.timeline[0].tally.latency is None


def test_the_outcomes_of_processes_are_put_together_in_order_of_the_requests() -> None:
    requests = Requests(np.arange(7.0), np.zeros(7, np.uint8), np.zeros(7, np.uint32), np.zeros(7, np.uint32))
    first, second = Outcomes.of(4), Outcomes.of(3)
    first.sent_s[:] = [0, 2, 4, 6]
    second.sent_s[:] = [1, 3, 5]
    first.code[1] = first.index("A")
    second.code[0] = second.index("B")
    second.code[1] = second.index("A")
    first.cpu_share, second.cpu_share, first.most_in_flight, second.most_in_flight = 0.1, 0.4, 3, 4
    whole = joined(requests, [first, second])
    assert whole.sent_s.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert [whole.codes[code] for code in whole.code] == ["OK", "B", "A", "A", "OK", "OK", "OK"]
    assert (whole.cpu_share, whole.most_in_flight) == (0.4, 7)
