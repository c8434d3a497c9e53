"""Every metric of a coordinator's process. No label holds what callers sent: neither texts nor names of clients."""

from collections.abc import Callable
from dataclasses import fields
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from coordinator.cluster.observer import HedgeOutcome, ReloadOutcome, ReplicaState, Rpc
from coordinator.read_counts import ReadCounts
from coordinator.readiness import Readiness
from coordinator.results import Coverage, Timings, Trace
from coordinator.values import ShardId

# A trace takes milliseconds from memory, and seconds from cold network disks.
_REQUEST_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_STEP_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
# Fewer: there is a row of them for every shard, call and status.
_CALL_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5)
_LAG_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5)
_SHARES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999999, 1.0)
_STATES: tuple[ReplicaState, ...] = get_args(ReplicaState)
_PENDING: tuple[ReloadOutcome, ...] = ("waiting", "refused")
_DENIED = ("missing_key", "unknown_key", "early_key", "expired_key", "role")
_REFUSED = ("queue_full", "deadline", "expired", "rate_limit", "budget")
_READ_FILES = ("table", "fan_out", "text", "documents")
_STEPS = tuple(field.name.removesuffix("_ms") for field in fields(Timings) if field.name != "total_ms")


class CoordinatorMetrics:
    """The metrics of one process, in a registry of their own.

    Observes the cluster (`coordinator.cluster.observer.ClusterObserver`), the queue and the cache of results.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._of_requests()
        self._of_access()
        self._of_redaction()
        self._of_admission()
        self._of_shards()
        self._of_replicas()

    def _of_requests(self) -> None:
        self._request_seconds = self._histogram(
            "request_seconds",
            "Time from the arrival of a request to its answer, or to the last event of a stream, by method and gRPC "
            "status (code).",
            ("method", "code"),
            _REQUEST_SECONDS,
        )
        self._in_flight = self._gauge("requests_in_flight", "Requests that are answered or wait, by method.", "method")
        step_seconds = self._histogram(
            "step_seconds", f"Time of each step of a trace: {', '.join(_STEPS)}.", ("step",), _STEP_SECONDS
        )
        self._step_seconds = {f"{step}_ms": step_seconds.labels(step) for step in _STEPS}
        self._tokens = self._counter(
            "answer_tokens_total", "Tokens of the answers that were traced; not of known ones."
        )
        self._searched_share = self._histogram(
            "searched_share", "Share of the tokens asked for that an answer was searched in.", (), _SHARES
        )
        self._incomplete = self._counter(
            "incomplete_answers_total", "Answers that missed a shard, by corpus that missed it.", "corpus"
        )
        reads = self._counter(
            "reads_total", "Random reads that shards reported for answers, cached or not, by file.", "file"
        )
        self._reads = {file: reads.labels(file) for file in _READ_FILES}
        self._read_bytes = self._counter("read_bytes_total", "Bytes of the pages that those reads touched.")
        self._lag_seconds = self._histogram(
            "event_loop_lag_seconds", "How much later than asked the event loop woke a timer.", (), _LAG_SECONDS
        )

    def _of_access(self) -> None:
        self._denied = self._counter(
            "denied_total",
            "Requests turned away for their key, by reason: missing_key, unknown_key, early_key, expired_key, or role "
            "(it is for other things).",
            "reason",
        )
        _begin_at_zero(self._denied, _DENIED)
        self._key_file = self._gauge(
            "key_file_in_force", "0 if the key file has a fault and an older one counts, else 1; 1 without a key file."
        )
        self._key_file.set(1)
        self._budget_withheld = self._counter(
            "budget_withheld_documents_total",
            "Documents left out of traces because their key has been shown as much text as it may.",
        )

    def _of_redaction(self) -> None:
        self._redacted = self._counter("redacted_total", "Placeholders in new traces, in the place of personal data.")
        self._redaction_withheld = self._counter(
            "redaction_withheld_documents_total",
            "Documents left out of new traces because their rule is to withhold those with personal data.",
        )

    def _of_admission(self) -> None:
        self._running = self._gauge("running_requests", "Requests that have their turn.")
        self._queued = self._gauge("queued_requests", "Requests that wait for their turn.")
        self._queue_seconds = self._histogram(
            "queue_seconds", "Time that requests waited for their turn.", (), _STEP_SECONDS
        )
        self._refused = self._counter(
            "refused_total",
            "Requests refused before any work, by reason: queue_full, deadline (the wait would take too long), expired "
            "(it did), rate_limit, or budget (the key has been shown as much text as it may).",
            "reason",
        )
        _begin_at_zero(self._refused, _REFUSED)
        self._limited_clients = self._gauge("rate_limit_clients", "Clients whose rate is remembered.")
        self._cache = self._counter(
            "cache_total",
            "Traces looked for in the result cache, by outcome: hit, miss, or shared (with an equal request).",
            "outcome",
        )
        _begin_at_zero(self._cache, ("hit", "miss", "shared"))
        self._cache_bytes = self._gauge("cache_bytes", "Bytes in the result cache.")
        self._cache_evictions = self._counter("cache_evictions_total", "Results that made room for newer ones.")

    def _of_shards(self) -> None:
        self._call_seconds = self._histogram(
            "shard_call_seconds",
            "Time of each try at a server, by shard, call (rpc) and gRPC status; CANCELLED: the coordinator gave up.",
            ("corpus", "shard", "rpc", "status"),
            _CALL_SECONDS,
        )
        self._hedges = self._counter(
            "hedges_total",
            "Slow calls that went to another replica too, by outcome: sent, won (answered first), refused (over the "
            "budget).",
            "rpc",
            "outcome",
        )
        self._retries = self._counter(
            "retries_total",
            "Failed tries that went to another replica, by gRPC status or EJECTED (reason).",
            "rpc",
            "reason",
        )
        self._retries_refused = self._counter(
            "retries_refused_total", "Failed tries that the budget did not allow to be tried again.", "rpc"
        )

    def _of_replicas(self) -> None:
        self._replica_state = self._gauge(
            "replica_state",
            f"1 for the state that a replica is in, 0 for the others: {', '.join(_STATES)}.",
            "corpus",
            "shard",
            "address",
            "state",
        )
        self._ejections = self._counter(
            "replica_ejections_total",
            "Times that a replica was left out for a while, by gRPC status or SLOW (reason).",
            "corpus",
            "shard",
            "address",
            "reason",
        )
        self._ejection_reasons: set[str] = set()
        self._searchable = self._gauge(
            "searchable_share", "Share of a corpus's tokens whose shard has a replica to ask.", "corpus"
        )
        self._ready = self._gauge("ready", "1 while requests should be sent here, else 0.")
        self._index = self._gauge(
            "index_info", "1, with the index that each corpus is answered from.", "corpus", "index_id"
        )
        self._takedown_epoch = self._gauge(
            "takedown_epoch", "Number of the list of takedowns that is in force; 0: none."
        )
        self._takedown_file = self._gauge(
            "takedown_file_in_force",
            "0 if the takedown file has a fault and an older list is in force, else 1; 1 without a takedown file.",
        )
        self._takedown_file.set(1)
        self._withheld = self._gauge(
            "withheld_documents", "Documents of a shard that are taken down.", "corpus", "shard"
        )
        self._reloads = self._counter(
            "reloads_total",
            "Changes of the cluster file or an index that were found, by outcome: applied, waiting (its servers cannot "
            "search as much yet) or refused (it is wrong).",
            "outcome",
        )
        _begin_at_zero(self._reloads, get_args(ReloadOutcome))
        self._reload_pending = self._gauge(
            "reload_pending",
            "1 while the files on disk are not what is answered from, by reason (outcome): waiting or refused.",
            "outcome",
        )
        for outcome in _PENDING:
            self._reload_pending.labels(outcome).set(0)

    def watch(
        self,
        *,
        num_running: Callable[[], int],
        num_waiting: Callable[[], int],
        num_limited_clients: Callable[[], int],
    ) -> None:
        """Shows what these say whenever the metrics are asked for."""
        self._running.set_function(num_running)
        self._queued.set_function(num_waiting)
        self._limited_clients.set_function(num_limited_clients)

    def request_began(self, method: str) -> None:
        """A request has come."""
        self._in_flight.labels(method).inc()

    def request_ended(self, method: str, code: str, seconds: float) -> None:
        """It is answered, with a gRPC status of this name."""
        self._in_flight.labels(method).dec()
        self._request_seconds.labels(method, code).observe(seconds)

    def denied(self, reason: str) -> None:
        """See `coordinator.access.gate.AccessObserver`."""
        self._denied.labels(reason).inc()

    def key_file_read(self, is_in_force: bool) -> None:
        """See `coordinator.access.gate.AccessObserver`."""
        self._key_file.set(is_in_force)

    def withheld_for_budget(self, num_documents: int) -> None:
        """A trace left out so many documents for its key's budget."""
        self._budget_withheld.inc(num_documents)

    def traced(self, trace: Trace) -> None:
        """A trace was made, not taken from the cache."""
        for name, step in self._step_seconds.items():
            step.observe(getattr(trace.timings, name) / 1000)
        self._tokens.inc(trace.num_tokens)
        self._redacted.inc(trace.withheld.redacted)
        self._redaction_withheld.inc(trace.withheld.documents)
        for reads in (trace.stats.search_reads, trace.stats.retrieval_reads):
            self._read(reads)

    def covered(self, coverage: Coverage) -> None:
        """An answer was searched in so much."""
        self._searched_share.observe(coverage.share_searched)
        for corpus in coverage.corpora:
            if corpus.failed_shards:
                self._incomplete.labels(corpus.corpus).inc()

    def lagged(self, seconds: float) -> None:
        """The event loop was late."""
        self._lag_seconds.observe(seconds)

    def readiness_changed(self, readiness: Readiness) -> None:
        """So much can be searched now."""
        self._ready.set(readiness.ready)
        for corpus in readiness.corpora:
            self._searchable.labels(corpus.corpus).set(corpus.share_searchable)

    def waited(self, seconds: float) -> None:
        """See `coordinator.admission.queue.QueueObserver`."""
        self._queue_seconds.observe(seconds)

    def refused(self, reason: str) -> None:
        """See `coordinator.admission.queue.QueueObserver`; ``rate_limit`` and ``budget`` are reasons too."""
        self._refused.labels(reason).inc()

    def cache_asked(self, outcome: str) -> None:
        """A trace was a ``hit``, a ``miss``, or ``shared``."""
        self._cache.labels(outcome).inc()

    def cache_changed(self, size_bytes: int, num_evicted: int) -> None:
        """See `coordinator.admission.result_cache.CacheObserver`."""
        self._cache_bytes.set(size_bytes)
        self._cache_evictions.inc(num_evicted)

    def call_finished(self, shard: ShardId, rpc: Rpc, address: str, status: str, seconds: float) -> None:
        """See `coordinator.cluster.observer.ClusterObserver`, as for all that follow."""
        self._call_seconds.labels(shard.corpus, str(shard.number), rpc, status).observe(seconds)

    def hedged(self, shard: ShardId, rpc: Rpc, outcome: HedgeOutcome) -> None:
        """Counts a hedge."""
        self._hedges.labels(rpc, outcome).inc()

    def retried(self, shard: ShardId, rpc: Rpc, reason: str) -> None:
        """Counts another try."""
        self._retries.labels(rpc, reason).inc()

    def retry_refused(self, shard: ShardId, rpc: Rpc) -> None:
        """Counts a try that was not made."""
        self._retries_refused.labels(rpc).inc()

    def replica_changed(self, shard: ShardId, address: str, state: ReplicaState) -> None:
        """Shows the state."""
        for each in _STATES:
            self._replica_state.labels(shard.corpus, str(shard.number), address, each).set(each == state)

    def replica_removed(self, shard: ShardId, address: str) -> None:
        """Shows it no more."""
        for state in _STATES:
            self._replica_state.remove(shard.corpus, str(shard.number), address, state)
        for reason in self._ejection_reasons:
            self._ejections.remove(shard.corpus, str(shard.number), address, reason)

    def replica_ejected(self, shard: ShardId, address: str, reason: str, seconds: float) -> None:
        """Counts an ejection."""
        self._ejection_reasons.add(reason)
        self._ejections.labels(shard.corpus, str(shard.number), address, reason).inc()

    def reload_finished(self, outcome: ReloadOutcome) -> None:
        """Counts a reload."""
        self._reloads.labels(outcome).inc()
        for each in _PENDING:
            self._reload_pending.labels(each).set(each == outcome)

    def reload_settled(self) -> None:
        """Shows that nothing is pending."""
        for each in _PENDING:
            self._reload_pending.labels(each).set(0)

    def generation_changed(self, index_ids: dict[str, str]) -> None:
        """Shows what is answered from."""
        self._index.clear()
        self._searchable.clear()
        for corpus, index_id in index_ids.items():
            self._index.labels(corpus, index_id).set(1)

    def takedowns_changed(self, epoch: int) -> None:
        """Shows the number of the list."""
        self._takedown_epoch.set(epoch)

    def takedown_file_read(self, is_in_force: bool) -> None:
        """Shows whether the file is obeyed."""
        self._takedown_file.set(is_in_force)

    def withheld_changed(self, shard: ShardId, num_documents: int) -> None:
        """Shows how many are taken down."""
        self._withheld.labels(shard.corpus, str(shard.number)).set(num_documents)

    def _read(self, reads: ReadCounts) -> None:
        for file, counter in self._reads.items():
            counter.inc(getattr(reads, file))
        self._read_bytes.inc(reads.size_bytes)

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(f"headwater_coordinator_{name}", documentation, labels, registry=self.registry)

    def _gauge(self, name: str, documentation: str, *labels: str) -> Gauge:
        return Gauge(f"headwater_coordinator_{name}", documentation, labels, registry=self.registry)

    def _histogram(
        self, name: str, documentation: str, labels: tuple[str, ...], buckets: tuple[float, ...]
    ) -> Histogram:
        return Histogram(
            f"headwater_coordinator_{name}", documentation, labels, buckets=buckets, registry=self.registry
        )


def _begin_at_zero(counter: Counter, values: tuple[str, ...]) -> None:
    """Shows a counter with one label before anything is counted: Prometheus sees no increase in what was not there."""
    for value in values:
        counter.labels(value)
