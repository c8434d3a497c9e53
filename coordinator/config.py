"""The configuration of a coordinator, all of it.

On a cluster, `CoordinatorConfig` is the typed argument of the Serve application: ``args`` in its config file. On one
machine, ``python -m coordinator`` takes each setting of `LocalConfig` from its default, a YAML file, the environment or
a flag.
"""

from dataclasses import fields
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from coordinator.access.settings import AccessSettings
from coordinator.cluster.settings import ClusterSettings
from coordinator.options import RequestLimits
from coordinator.redaction.settings import RedactionSettings
from runtime.address import Address

ENVIRONMENT_PREFIX = "HEADWATER_COORDINATOR_"
# What Serve's gRPC options name, so that it knows the services.
SERVICER_FUNCTIONS = (
    "coordinator.app.add_coordinator_to_server",
    "grpc_health.v1.health_pb2_grpc.add_HealthServicer_to_server",
)

_LIMITS = RequestLimits()
# Requests that are held without waiting for a turn: answered from the cache, sent to slow readers, probes.
_BESIDE_THE_QUEUE = 256


class CoordinatorConfig(ClusterSettings, AccessSettings, RedactionSettings):
    """What a coordinator traces against, and how much it takes on. Limits are of each replica."""

    cluster_file: Path = Field(description="YAML file that says which corpora are served, and where their shards are.")
    num_replicas: int = Field(
        default=1,
        ge=1,
        le=1000,
        description="Replicas of the coordinator, one process each.",
        json_schema_extra={"flag": "--replicas"},
    )

    max_running_requests: int = Field(
        default=8,
        ge=1,
        le=1024,
        description="Requests that a replica works on at once. More help only where cold disks make it wait.",
    )
    max_queued_requests: int = Field(
        default=64,
        ge=0,
        le=100_000,
        description="Requests that wait for their turn at a replica; more get RESOURCE_EXHAUSTED or HTTP 429.",
    )
    rate_limit_tokens_per_s: float = Field(
        default=0.0,
        ge=0,
        description="Tokens of answers that one client may ask about in a second, over all replicas; 0: no limit.",
    )
    rate_limit_burst_tokens: int = Field(
        default=100_000, ge=1, description="Tokens that a client may ask about at once after a quiet time."
    )
    result_cache_bytes: int = Field(
        default=64 * 1024 * 1024, ge=0, description="Memory for the answers of earlier requests, in bytes; 0: none."
    )

    default_timeout_ms: int = Field(
        default=30_000, ge=1, description="Time to answer when the request names none, in milliseconds."
    )
    max_timeout_ms: int = Field(default=120_000, ge=1, description="Most time a request can have, in milliseconds.")
    max_answer_chars: int = Field(
        default=_LIMITS.max_answer_chars, ge=1, le=10_000_000, description="Longest answer, in characters."
    )
    max_prompt_chars: int = Field(
        default=_LIMITS.max_prompt_chars, ge=0, le=10_000_000, description="Longest prompt, in characters."
    )
    max_context_tokens: int = Field(
        default=_LIMITS.max_context_tokens, ge=0, le=100_000, description="Largest `context_tokens` of a request."
    )
    max_occurrences_per_span: int = Field(
        default=_LIMITS.max_occurrences_per_span,
        ge=1,
        le=100_000,
        description="Largest `max_occurrences_per_span` of a request.",
    )
    max_windows: int = Field(
        default=_LIMITS.max_windows, ge=1, le=1_000_000, description="Most windows of one trace, over all its spans."
    )
    max_window_tokens: int = Field(
        default=_LIMITS.max_window_tokens,
        ge=1,
        le=100_000_000,
        description="Most tokens in the windows of one trace; memory and the size of an answer grow with it.",
    )
    max_document_tokens: int = Field(
        default=_LIMITS.max_document_tokens, ge=1, le=10_000_000, description="Most tokens of a document at once."
    )
    max_body_bytes: int = Field(
        default=4 * 1024 * 1024,
        ge=1024,
        le=64 * 1024 * 1024,
        description="Largest request, in bytes: the body over HTTP, the message over gRPC.",
    )

    metrics_listen: Address | None = Field(
        default="127.0.0.1:9464",
        description="Address to serve /metrics, /healthz and /readyz on. Port 0: any free one; none: nowhere.",
    )
    insecure_public_metrics: bool = Field(
        default=False,
        description="Whether `metrics_listen` may be an address that others reach: probes and metrics have no TLS and "
        "need no key.",
    )
    metrics_ports: int = Field(
        default=100,
        ge=1,
        le=10_000,
        description="Ports to try from there on: replicas on one machine take the next free one, and log which.",
    )
    otel_endpoint: str | None = Field(
        default=None, description="Where OpenTelemetry goes: `http://collector:4317`. Absent: nowhere."
    )
    insecure_public: bool = Field(
        default=False,
        description="Whether to serve on an interface that others reach without TLS, or without `keys_file` and "
        "`tls_client_ca`; on a cluster, where Serve listens on every interface, whether to do without `keys_file`.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level of what is logged; `info` logs every request."
    )
    log_socket: Path | None = Field(
        default=None,
        description="Socket of datagrams (Unix) that takes the log lines. Absent: standard error, which Ray puts into "
        "a file of its own. `python -m coordinator` makes one and writes what comes to its standard error.",
    )

    @property
    def limits(self) -> RequestLimits:
        """What one request may ask."""
        return RequestLimits(**{field.name: getattr(self, field.name) for field in fields(RequestLimits)})

    @property
    def max_held_requests(self) -> int:
        """Requests that a replica may hold in all. More never get as far as its queue."""
        return self.max_running_requests + self.max_queued_requests + _BESIDE_THE_QUEUE

    @model_validator(mode="after")
    def _times_fit(self) -> Self:
        if self.default_timeout_ms > self.max_timeout_ms:
            raise ValueError(
                f"default_timeout_ms is {self.default_timeout_ms}, expected at most max_timeout_ms, which is "
                f"{self.max_timeout_ms}"
            )
        if self.retire_timeout_ms < self.max_timeout_ms:
            raise ValueError(
                f"retire_timeout_ms is {self.retire_timeout_ms}, expected at least max_timeout_ms, which is "
                f"{self.max_timeout_ms}: a reload must not cut off a request that has time left"
            )
        return self


class LocalConfig(CoordinatorConfig):
    """What ``python -m coordinator`` takes besides: a coordinator on one machine, with a Ray of its own."""

    host: str = Field(default="127.0.0.1", description="Interface to serve on.")
    tls_cert: Path | None = Field(
        default=None,
        description="Certificate to serve gRPC and HTTP with over TLS, PEM, with those that lead to its CA.",
    )
    tls_key: Path | None = Field(
        default=None, description="Private key of `tls_cert`, PEM, without a password. Changed files are read again."
    )
    tls_client_ca: Path | None = Field(
        default=None, description="Certificates of the CAs that vouch for callers, PEM; without it they need none."
    )
    grpc_port: int = Field(default=9000, ge=1, le=65_535, description="Port to serve gRPC on.")
    http_port: int = Field(default=8000, ge=1, le=65_535, description="Port to serve HTTP on.")
    temp_dir: str | None = Field(
        default=None, description="Where Ray puts logs and sockets: a path of at most 25 characters. Absent: a new one."
    )
    stop_with_stdin: bool = Field(
        default=False, description="Stop when standard input closes: for a parent that may die without a word."
    )

    def of_coordinator(self) -> CoordinatorConfig:
        """Returns the settings of the Serve application."""
        return CoordinatorConfig.model_validate(self.model_dump(include=set(CoordinatorConfig.model_fields)))

    @model_validator(mode="after")
    def _front_tls_is_whole(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key go together, expected both or neither")
        if self.tls_client_ca is not None and self.tls_cert is None:
            raise ValueError("tls_client_ca without tls_cert and tls_key: callers can show a certificate over TLS only")
        return self
