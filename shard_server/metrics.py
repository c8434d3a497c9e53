"""Every metric of a shard server."""

import grpc
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from protos.shard.v1 import shard_pb2

_READ_FILES = ("table", "fan_out", "text", "documents")
# A warm search takes milliseconds, one on a cold network disk seconds.
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._seconds = Histogram(
            "headwater_shard_rpc_seconds",
            "Time from the arrival of a call to its answer, by call (rpc) and gRPC status.",
            ("rpc", "status"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._refused = Counter(
            "headwater_shard_refused_total",
            "Calls refused because the queue was full.",
            registry=self.registry,
        )
        self.unfinished = Gauge("headwater_shard_calls", "Calls that are worked on or wait.", registry=self.registry)
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

    def observe(self, rpc: str, status: grpc.StatusCode, seconds: float) -> None:
        """Counts one answered call."""
        self._seconds.labels(rpc, status.name).observe(seconds)
        if status is grpc.StatusCode.RESOURCE_EXHAUSTED:
            self._refused.inc()

    def add_reads(self, reads: shard_pb2.ReadCounts) -> None:
        """Counts what one call read."""
        for file, counter in self._reads.items():
            counter.inc(getattr(reads, file))
        self._read_bytes.inc(reads.size_bytes)

    def serve_shard(self, shard: int, num_tokens: int) -> None:
        """Notes that a shard is served."""
        self._tokens.labels(str(shard)).set(num_tokens)
