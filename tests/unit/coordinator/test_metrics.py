import re

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from coordinator.cluster.observer import ClusterObserver
from coordinator.metrics import CoordinatorMetrics
from coordinator.read_counts import ReadCounts, TraceStats
from coordinator.readiness import CorpusReadiness, Readiness
from coordinator.results import CorpusCoverage, Coverage, Timings, Trace, Withheld
from coordinator.values import FailedShard, ShardId

SHARD = ShardId("pre", 3)
ADDRESS = "10.0.0.1:7001"


@pytest.fixture
def metrics() -> CoordinatorMetrics:
    return CoordinatorMetrics()


def value(metrics: CoordinatorMetrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"headwater_coordinator_{name}", labels)


def coverage(failed: bool) -> Coverage:
    missing = (FailedShard(SHARD, "gone"),) if failed else ()
    parts = (CorpusCoverage("pre", "1f", 4, 4 - failed, 100, 75, missing), CorpusCoverage("post", "2e", 1, 1, 9, 9, ()))
    return Coverage(not failed, failed, 0.75 if failed else 1.0, parts)


def trace() -> Trace:
    return Trace(
        answer="secret words",
        num_tokens=12,
        spans=(),
        merged_spans=(),
        documents=(),
        num_maximal_spans=0,
        coverage=coverage(False),
        timings=Timings(1, 20, 3, 40, 5, 69),
        stats=TraceStats(12, 2.0, ReadCounts(1, 2, 3, 4, 500), ReadCounts(10, 20, 30, 40, 5000)),
        withheld=Withheld(redacted=7, documents=2),
    )


def test_a_request_is_in_flight_until_it_ends_with_its_status(metrics: CoordinatorMetrics) -> None:
    metrics.request_began("Trace")
    assert value(metrics, "requests_in_flight", method="Trace") == 1
    metrics.request_ended("Trace", "UNAVAILABLE", 0.3)
    assert value(metrics, "requests_in_flight", method="Trace") == 0
    assert value(metrics, "request_seconds_count", method="Trace", code="UNAVAILABLE") == 1
    assert value(metrics, "request_seconds_sum", method="Trace", code="UNAVAILABLE") == pytest.approx(0.3)


def test_a_trace_counts_its_steps_tokens_and_reads(metrics: CoordinatorMetrics) -> None:
    metrics.traced(trace())
    seconds = {"tokenize": 0.001, "search": 0.02, "filter": 0.003, "retrieve": 0.04, "rank": 0.005}
    for step, expected in seconds.items():
        assert value(metrics, "step_seconds_sum", step=step) == pytest.approx(expected)
    assert value(metrics, "answer_tokens_total") == 12
    reads = {"table": 11, "fan_out": 22, "text": 33, "documents": 44}
    assert {file: value(metrics, "reads_total", file=file) for file in reads} == reads
    assert value(metrics, "read_bytes_total") == 5500


def test_a_trace_counts_what_its_rules_do_not_show(metrics: CoordinatorMetrics) -> None:
    metrics.traced(trace())
    metrics.traced(trace())
    assert value(metrics, "redacted_total") == 14
    assert value(metrics, "redaction_withheld_documents_total") == 4


def test_rare_events_begin_at_zero_so_that_the_first_one_is_an_increase(metrics: CoordinatorMetrics) -> None:
    assert [value(metrics, "reloads_total", outcome=outcome) for outcome in ("applied", "waiting", "refused")] == [
        0
    ] * 3
    assert value(metrics, "denied_total", reason="unknown_key") == 0
    assert value(metrics, "refused_total", reason="queue_full") == 0
    assert value(metrics, "cache_total", outcome="hit") == 0


def test_a_reload_is_pending_until_the_files_are_what_is_answered_from(metrics: CoordinatorMetrics) -> None:
    def pending() -> list[float | None]:
        return [value(metrics, "reload_pending", outcome=outcome) for outcome in ("waiting", "refused")]

    assert pending() == [0, 0]
    metrics.reload_finished("refused")
    assert pending() == [0, 1]
    metrics.reload_finished("waiting")
    assert pending() == [1, 0]
    metrics.reload_finished("applied")
    assert pending() == [0, 0]
    metrics.reload_finished("refused")
    metrics.reload_settled()
    assert pending() == [0, 0]


def test_files_are_in_force_until_one_has_a_fault(metrics: CoordinatorMetrics) -> None:
    names = ("key_file_in_force", "takedown_file_in_force")
    assert [value(metrics, name) for name in names] == [1, 1], "there may be none: nothing is wrong"
    metrics.key_file_read(False)
    metrics.takedown_file_read(False)
    assert [value(metrics, name) for name in names] == [0, 0]
    metrics.key_file_read(True)
    metrics.takedown_file_read(True)
    assert [value(metrics, name) for name in names] == [1, 1]


def test_an_answer_that_missed_a_shard_is_counted_for_its_corpus(metrics: CoordinatorMetrics) -> None:
    metrics.covered(coverage(False))
    metrics.covered(coverage(True))
    assert value(metrics, "incomplete_answers_total", corpus="pre") == 1
    assert value(metrics, "incomplete_answers_total", corpus="post") is None
    assert value(metrics, "searched_share_count") == 2
    assert value(metrics, "searched_share_bucket", le="0.999999") == 1


def test_a_replica_is_in_one_state_at_a_time_and_gone_when_removed(metrics: CoordinatorMetrics) -> None:
    labels = {"corpus": "pre", "shard": "3", "address": ADDRESS}
    metrics.replica_changed(SHARD, ADDRESS, "usable")
    metrics.replica_changed(SHARD, ADDRESS, "ejected")
    metrics.replica_ejected(SHARD, ADDRESS, "UNAVAILABLE", 2.0)
    assert value(metrics, "replica_state", **labels, state="usable") == 0
    assert value(metrics, "replica_state", **labels, state="ejected") == 1
    assert value(metrics, "replica_ejections_total", **labels, reason="UNAVAILABLE") == 1
    metrics.replica_removed(SHARD, ADDRESS)
    metrics.replica_removed(ShardId("never", 1), ADDRESS)
    assert ADDRESS not in generate_latest(metrics.registry).decode()


def test_another_generation_takes_the_place_of_the_old_one(metrics: CoordinatorMetrics) -> None:
    metrics.generation_changed({"pre": "1f", "post": "2e"})
    metrics.readiness_changed(Readiness(True, (CorpusReadiness("pre", 0.5, "gone"), CorpusReadiness("post", 1.0))))
    metrics.generation_changed({"pre": "3c"})
    assert value(metrics, "index_info", corpus="pre", index_id="3c") == 1
    assert value(metrics, "index_info", corpus="pre", index_id="1f") is None
    assert value(metrics, "index_info", corpus="post", index_id="2e") is None
    assert value(metrics, "searchable_share", corpus="post") is None


def test_what_happens_between_coordinator_and_shards_is_counted(metrics: CoordinatorMetrics) -> None:
    observer: ClusterObserver = metrics
    observer.call_finished(SHARD, "GetWindows", ADDRESS, "OK", 0.01)
    observer.hedged(SHARD, "GetWindows", "sent")
    observer.hedged(SHARD, "GetWindows", "won")
    observer.retried(SHARD, "GetWindows", "UNAVAILABLE")
    observer.retry_refused(SHARD, "GetWindows")
    observer.reload_finished("applied")
    labels = {"corpus": "pre", "shard": "3", "rpc": "GetWindows", "status": "OK"}
    assert value(metrics, "shard_call_seconds_sum", **labels) == pytest.approx(0.01)
    assert value(metrics, "hedges_total", rpc="GetWindows", outcome="won") == 1
    assert value(metrics, "retries_total", rpc="GetWindows", reason="UNAVAILABLE") == 1
    assert value(metrics, "retries_refused_total", rpc="GetWindows") == 1
    assert value(metrics, "reloads_total", outcome="applied") == 1


def test_admission_is_counted(metrics: CoordinatorMetrics) -> None:
    metrics.watch(num_running=lambda: 3, num_waiting=lambda: 4, num_limited_clients=lambda: 5)
    metrics.waited(0.2)
    metrics.refused("queue_full")
    metrics.cache_asked("hit")
    metrics.cache_changed(1000, 2)
    metrics.lagged(0.1)
    assert [value(metrics, f"{name}_requests") for name in ("running", "queued")] == [3, 4]
    assert value(metrics, "rate_limit_clients") == 5
    assert value(metrics, "queue_seconds_sum") == pytest.approx(0.2)
    assert value(metrics, "refused_total", reason="queue_full") == 1
    assert value(metrics, "cache_total", outcome="hit") == 1
    assert (value(metrics, "cache_bytes"), value(metrics, "cache_evictions_total")) == (1000, 2)
    assert value(metrics, "event_loop_lag_seconds_sum") == pytest.approx(0.1)


def test_names_and_units_are_as_prometheus_wants_them_and_no_content_is_shown(metrics: CoordinatorMetrics) -> None:
    metrics.traced(trace())
    text = generate_latest(metrics.registry).decode()
    assert "secret" not in text
    for family in text_string_to_metric_families(text):
        assert re.fullmatch(r"headwater_coordinator_[a-z_]+", family.name)
        assert family.documentation.endswith(".")
        assert family.type != "histogram" or family.name.endswith(("_seconds", "_share"))
