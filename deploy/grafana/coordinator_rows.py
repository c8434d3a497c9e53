"""What the dashboard shows first: whether all is well, and the coordinators."""

from deploy.grafana.panels import COLUMNS, Lines, Number, Query, Row, Table, Threshold
from deploy.grafana.queries import CORPUS, quantile, quantiles, rate

_GREEN, _ORANGE, _RED, _PLAIN = "green", "orange", "red", "text"
_NO_COLOUR = (Threshold(None, _PLAIN),)


def _bad_from(value: float) -> tuple[Threshold, ...]:
    return Threshold(None, _GREEN), Threshold(value, _RED)


def _good_from(value: float) -> tuple[Threshold, ...]:
    return Threshold(None, _RED), Threshold(value, _GREEN)


NOW = Row(
    "Now",
    (
        Number(
            "Alerts",
            [Query('count(ALERTS{alertname=~"Headwater.*",alertstate="firing"}) or vector(0)')],
            description="Those that fire; they are listed below.",
            thresholds=_bad_from(1),
        ),
        Number(
            "Coordinators ready",
            [Query("sum(headwater_coordinator_ready)")],
            thresholds=_good_from(1),
        ),
        Number(
            "Searchable",
            [Query("min(corpus:headwater_coordinator_searchable_share:min)")],
            unit="percentunit",
            description="Share of the tokens of the worst corpus, by the coordinator that sees least.",
            thresholds=_good_from(1),
        ),
        Number(
            "Fewest usable replicas",
            [Query("min(corpus_shard:headwater_coordinator_usable_replicas:min)")],
            description="Of the shard that has fewest. At 1 the next fault makes answers incomplete.",
            thresholds=(Threshold(None, _RED), Threshold(1, _ORANGE), Threshold(2, _GREEN)),
        ),
        Number(
            "Damaged files",
            [Query("sum(headwater_shard_damaged_files_total)")],
            thresholds=_bad_from(1),
        ),
        Number(
            "List of takedowns",
            [Query("max(headwater_coordinator_takedown_epoch)")],
            description="Number of the newest list that a coordinator obeys; 0: none.",
            thresholds=_NO_COLOUR,
        ),
        Number(
            "Requests a second",
            [Query("sum(rate(headwater_coordinator_request_seconds_count[5m]))")],
            unit="reqps",
            thresholds=_NO_COLOUR,
        ),
        Number(
            "Faults",
            [Query("headwater:request_fault_ratio:rate5m")],
            unit="percentunit",
            description="Share of requests that ended INTERNAL, UNAVAILABLE or DEADLINE_EXCEEDED.",
            thresholds=(Threshold(None, _GREEN), Threshold(0.001, _ORANGE), Threshold(0.01, _RED)),
        ),
        Number(
            "Incomplete answers",
            [Query("headwater:incomplete_answer_ratio:rate5m")],
            unit="percentunit",
            thresholds=(Threshold(None, _GREEN), Threshold(0.0001, _ORANGE), Threshold(0.01, _RED)),
        ),
        Number(
            "Refused: too much to do",
            [Query("headwater:request_refused_ratio:rate5m")],
            unit="percentunit",
            thresholds=(Threshold(None, _GREEN), Threshold(0.0001, _ORANGE), Threshold(0.01, _RED)),
        ),
        Number(
            "Traces, p95",
            [Query('method:headwater_coordinator_request_seconds:p95_5m{method="Trace"}')],
            unit="s",
            thresholds=(Threshold(None, _GREEN), Threshold(1, _ORANGE), Threshold(2, _RED)),
        ),
        Number(
            "Answers from the cache",
            [Query("headwater:cache_hit_ratio:rate5m")],
            unit="percentunit",
            thresholds=_NO_COLOUR,
        ),
        Table(
            "Alerts that fire",
            [Query('ALERTS{alertname=~"Headwater.*",alertstate="firing"}')],
            description="docs/operations.md says what to do about each.",
            width=COLUMNS,
            height=5,
            hidden=("Time", "Value", "__name__", "alertstate"),
        ),
    ),
)

ANSWERS = Row(
    "Answers",
    (
        Lines(
            "Requests, by method",
            [Query(rate("headwater_coordinator_request_seconds_count", "method"))],
            unit="reqps",
            stacked=True,
        ),
        Lines(
            "Requests that were not OK, by status",
            [Query(rate("headwater_coordinator_request_seconds_count", "code", 'code!="OK"'))],
            unit="reqps",
            description="INVALID_ARGUMENT and NOT_FOUND are the callers' own; RESOURCE_EXHAUSTED are refusals.",
        ),
        Lines(
            "Time of traces", quantiles("headwater_coordinator_request_seconds", 'method="Trace",code="OK"'), unit="s"
        ),
        Lines(
            "Time of requests by method, p95",
            [Query("method:headwater_coordinator_request_seconds:p95_5m", "{{method}}")],
            unit="s",
            description="Over five minutes, of those that were OK.",
        ),
        Lines(
            "Mean time of a trace, by step",
            [
                Query(
                    f"{rate('headwater_coordinator_step_seconds_sum', 'step')}"
                    f" / {rate('headwater_coordinator_step_seconds_count', 'step')}"
                )
            ],
            unit="s",
            description="search and retrieve are round trips to the shards; the others are the coordinator's own.",
            stacked=True,
        ),
        Lines(
            "Time of each step, p99", [Query(quantile(0.99, "headwater_coordinator_step_seconds", "step"))], unit="s"
        ),
        Lines(
            "Answers that missed a shard, by corpus",
            [Query(rate("headwater_coordinator_incomplete_answers_total", "corpus", CORPUS))],
            unit="reqps",
        ),
        Lines(
            "Tokens traced a second", [Query(rate("headwater_coordinator_answer_tokens_total"), "tokens")], unit="short"
        ),
        Lines(
            "Requests in flight, by method",
            [Query("sum by (method) (headwater_coordinator_requests_in_flight)")],
            stacked=True,
        ),
    ),
)

ADMISSION = Row(
    "Admission",
    (
        Lines(
            "Refused, by reason",
            [Query(rate("headwater_coordinator_refused_total", "reason"))],
            unit="reqps",
            description="queue_full, deadline, expired: too much to do. rate_limit, budget: one client or key.",
        ),
        Lines("Time in the queue", quantiles("headwater_coordinator_queue_seconds"), unit="s"),
        Lines(
            "Running and queued requests",
            [
                Query("sum(headwater_coordinator_running_requests)", "running"),
                Query("sum(headwater_coordinator_queued_requests)", "queued"),
            ],
        ),
        Lines(
            "Result cache, by outcome",
            [Query(rate("headwater_coordinator_cache_total", "outcome"))],
            unit="reqps",
            stacked=True,
        ),
        Lines(
            "Memory of the result cache",
            [Query("sum by (instance) (headwater_coordinator_cache_bytes)")],
            unit="bytes",
        ),
        Lines(
            "Results that made room for newer ones",
            [Query(rate("headwater_coordinator_cache_evictions_total"), "evictions")],
            unit="ops",
        ),
    ),
)

REPLICAS = Row(
    "Shards, as coordinators see them",
    (
        Lines(
            "Usable replicas, by shard",
            [Query(f"corpus_shard:headwater_coordinator_usable_replicas:min{{{CORPUS}}}", "{{corpus}} {{shard}}")],
            description="By the coordinator that sees fewest.",
        ),
        Lines(
            "Searchable share, by corpus",
            [Query(f"corpus:headwater_coordinator_searchable_share:min{{{CORPUS}}}", "{{corpus}}")],
            unit="percentunit",
            highest=1,
        ),
        Table(
            "Replicas that are not asked",
            [
                Query(
                    "max by (corpus, shard, address, state) "
                    f'(headwater_coordinator_replica_state{{state!="usable",{CORPUS}}}) > 0'
                )
            ],
            description="mismatched: of another index. behind: it does not obey the takedowns in force.",
            hidden=("Time", "Value"),
            none="all are",
        ),
        Lines(
            "Time of the slowest shards, p95",
            [
                Query(
                    f"topk(5, corpus_shard:headwater_coordinator_longest_matches_seconds:p95_5m{{{CORPUS}}})",
                    "{{corpus}} {{shard}}",
                )
            ],
            unit="s",
            description="Of the call that searches. Far above the server's own time: the network, or the coordinator.",
        ),
        Lines(
            "Calls to servers, by call",
            [Query(rate("headwater_coordinator_shard_call_seconds_count", "rpc", CORPUS))],
            unit="reqps",
            stacked=True,
        ),
        Lines(
            "Calls that were not OK, by status",
            [Query(rate("headwater_coordinator_shard_call_seconds_count", "status", f'status!="OK",{CORPUS}'))],
            unit="reqps",
            description="CANCELLED: the loser of a hedge, or a caller that left.",
        ),
        Lines(
            "Hedges",
            [
                Query(rate("headwater_coordinator_hedges_total", "outcome"), "{{outcome}}"),
            ],
            unit="ops",
            description="Slow calls that went to a second replica too; refused: over the budget.",
        ),
        Lines(
            "Retries, by reason",
            [
                Query(rate("headwater_coordinator_retries_total", "reason"), "{{reason}}"),
                Query(rate("headwater_coordinator_retries_refused_total"), "refused"),
            ],
            unit="ops",
        ),
        Lines(
            "Times that replicas were left out",
            [
                Query(
                    f"sum by (address, reason) (headwater_coordinator_replica_ejections_total{{{CORPUS}}})",
                    "{{address}} {{reason}}",
                )
            ],
            description="Since the coordinators started, for a while each time. A step is an event.",
        ),
    ),
)
