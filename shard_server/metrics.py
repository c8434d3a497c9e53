"""Every metric of a shard server."""

from collections.abc import Callable
from functools import partial

import grpc
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from index_format.manifest import IndexManifest
from protos.shard.v1 import shard_pb2
from shard_server.errors import REFUSALS
from shard_server.views import ShardViews

_READ_FILES = ("table", "fan_out", "text", "documents")
# A warm search takes milliseconds, one on a cold network disk seconds.
_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._seconds = Histogram(
            "headwater_shard_rpc_seconds",
            "Time from the arrival of a call to its answer, by call (rpc), gRPC status and shard (empty: of none).",
            ("rpc", "status", "shard"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._queue_seconds = Histogram(
            "headwater_shard_queue_seconds",
            "Time that calls waited for their turn.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._refused = Counter(
            "headwater_shard_refused_total",
            "Calls refused before a search, by reason: queue_full, deadline, slow_request, no_request, limit, "
            "wrong_shard, view_gone, stale_takedowns or damaged_file.",
            ("reason",),
            registry=self.registry,
        )
        for reason in REFUSALS.values():
            self._refused.labels(reason)  # from the start: Prometheus sees no increase in what was not there
        self._running = Gauge("headwater_shard_running_calls", "Calls that are worked on.", registry=self.registry)
        self._waiting = Gauge("headwater_shard_waiting_calls", "Calls that wait.", registry=self.registry)
        reads = Counter(
            "headwater_shard_reads_total",
            "Random reads asked of the shards, cached or not, by file: table, fan_out, text or documents.",
            ("file",),
            registry=self.registry,
        )
        self._reads = {file: reads.labels(file) for file in _READ_FILES}
        self._read_bytes = Counter(
            "headwater_shard_read_bytes_total", "Bytes of the pages that those reads touched.", registry=self.registry
        )
        self._tokens = Gauge(
            "headwater_shard_tokens", "Positions in a served shard, by shard.", ("shard",), registry=self.registry
        )
        self._index = Gauge(
            "headwater_shard_index_info",
            "1, with the index that is served as labels.",
            ("index_id", "format_version", "token_width", "stage"),
            registry=self.registry,
        )
        self._withheld = Gauge(
            "headwater_shard_withheld_documents",
            "Documents of a served shard that are taken down or removed from the index, by shard.",
            ("shard",),
            registry=self.registry,
        )
        self._takedown_epoch = Gauge(
            "headwater_shard_takedown_epoch",
            "Number of the list of takedowns that is obeyed; 0: none was sent for this index.",
            registry=self.registry,
        )
        self._ready = Gauge("headwater_shard_ready", "1 while health says SERVING, else 0.", registry=self.registry)
        self.restarts = Counter(
            "headwater_shard_grpc_restarts_total",
            "Times that the gRPC server gave up on a malformed call and was started again.",
            registry=self.registry,
        )
        self.scrubbed_bytes = Counter(
            "headwater_shard_scrubbed_bytes_total",
            "Bytes read again to compare checksums.",
            registry=self.registry,
        )
        self.scrubs = Counter(
            "headwater_shard_scrubs_total", "Readings of all files that found no damage.", registry=self.registry
        )
        self.scrub_failures = Counter(
            "headwater_shard_scrub_failures_total",
            "Readings that could not read every file, without damage; the log says why.",
            registry=self.registry,
        )
        self.damaged_files = Counter(
            "headwater_shard_damaged_files_total",
            "Files whose checksum was not the published one.",
            registry=self.registry,
        )

    def observe(self, rpc: str, status: grpc.StatusCode, shard: str, seconds: float) -> None:
        """Counts one answered call; ``shard`` is one that is served here, or empty."""
        self._seconds.labels(rpc, status.name, shard).observe(seconds)

    def waited(self, seconds: float) -> None:
        """Counts one call that had its turn."""
        self._queue_seconds.observe(seconds)

    def refuse(self, reason: str) -> None:
        """Counts one call that was refused."""
        self._refused.labels(reason).inc()

    def watch(self, running: Callable[[], int], waiting: Callable[[], int]) -> None:
        """Shows what ``running`` and ``waiting`` say whenever the metrics are asked for."""
        self._running.set_function(running)
        self._waiting.set_function(waiting)

    def watch_ready(self, is_ready: Callable[[], bool]) -> None:
        """Shows what ``is_ready`` says whenever the metrics are asked for."""
        self._ready.set_function(is_ready)

    def add_reads(self, reads: shard_pb2.ReadCounts) -> None:
        """Counts what one call read."""
        for file, counter in self._reads.items():
            counter.inc(getattr(reads, file))
        self._read_bytes.inc(reads.size_bytes)

    def serve_index(self, index: IndexManifest) -> None:
        """Notes which index is served."""
        self._index.labels(index.index_id, str(index.format_version), str(index.token_width), index.stage).set(1)

    def serve_shard(self, shard: int, num_tokens: int) -> None:
        """Notes that a shard is served."""
        self._tokens.labels(str(shard)).set(num_tokens)

    def watch_views(self, views: ShardViews) -> None:
        """Shows what ``views`` withhold whenever the metrics are asked for."""
        self._takedown_epoch.set_function(lambda: views.described()[0])
        for number in views.described()[1]:
            self._withheld.labels(str(number)).set_function(partial(_withheld_of, views, number))


def _withheld_of(views: ShardViews, number: int) -> int:
    return views.view(number).num_withheld
