"""The configuration of a shard server: default < YAML file < ``HEADWATER_SHARD_*`` variables < flags."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from runtime.address import Address

ENVIRONMENT_PREFIX = "HEADWATER_SHARD_"


class ShardServerConfig(BaseModel):
    """What a shard server serves, where, and how much it takes on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    index: Path = Field(
        description="Directory of the index: its manifest, its tokenizer and the folders of the shards."
    )
    shards: tuple[int, ...] = Field(
        default=(),
        description="Numbers of the shards to serve. Empty: every shard of the index.",
        json_schema_extra={"flag": "--shard"},
    )
    listen: Address = Field(
        default="127.0.0.1:7001", description="Address to serve gRPC on, `host:port`. Port 0: any free one."
    )
    tls_cert: Path | None = Field(
        default=None,
        description="Certificate to serve with over TLS, PEM, with those that lead to its CA. None: no TLS.",
    )
    tls_key: Path | None = Field(
        default=None, description="Private key of `tls_cert`, PEM, without a password. Changed files are read again."
    )
    tls_client_ca: Path | None = Field(
        default=None,
        description="Certificates of the CAs that vouch for callers, PEM: who has no certificate of theirs is turned "
        "away.",
    )
    insecure_public: bool = Field(
        default=False,
        description="Whether to listen on an address that others reach without `tls_cert` and `tls_client_ca`.",
    )
    metrics_listen: Address | None = Field(
        default=None, description="Address to serve /metrics, /healthz and /readyz on; none: nowhere."
    )
    insecure_public_metrics: bool = Field(
        default=False,
        description="Whether `metrics_listen` may be an address that others reach: probes and metrics have no TLS and "
        "need no key.",
    )
    reflection: bool = Field(default=True, description="Whether gRPC reflection tells callers what the calls are.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level of what is logged; `debug` logs every call."
    )
    slow_call_s: float = Field(default=1.0, ge=0, description="Calls that take longer are logged, in seconds.")
    otel_endpoint: str | None = Field(
        default=None, description="Where OpenTelemetry goes: `http://collector:4317`. Absent: nowhere."
    )
    search_threads: int = Field(
        default=0, ge=0, le=1024, description="Threads that search, over all shards. 0: one a core."
    )
    state_dir: Path | None = Field(
        default=None,
        description="Directory of this server alone, to keep the takedowns it was sent, so that it obeys them from its "
        "start. None: in memory only; a coordinator with a `takedown_file` sends them again.",
    )
    max_takedown_bytes: int = Field(
        default=64 * 1024 * 1024, ge=65_536, description="Largest list of takedowns, in bytes; about 200 for each."
    )
    max_running_calls: int = Field(default=8, ge=1, le=1024, description="Calls worked on at once.")
    max_queued_calls: int = Field(
        default=64, ge=0, le=100_000, description="Calls that wait for their turn; more get RESOURCE_EXHAUSTED."
    )
    max_query_tokens: int = Field(default=250_000, ge=1, description="Longest query, in tokens.")
    max_windows: int = Field(default=4096, ge=1, description="Most windows in one call.")
    max_window_tokens: int = Field(
        default=4_000_000, ge=1, description="Most tokens in the windows of one call, together."
    )
    max_document_tokens: int = Field(default=100_000, ge=1, description="Most tokens of a document in one call.")
    max_request_bytes: int = Field(default=4 * 1024 * 1024, ge=65_536, description="Largest request, in bytes.")
    max_response_bytes: int = Field(default=64 * 1024 * 1024, ge=65_536, description="Largest answer, in bytes.")
    request_timeout_s: float = Field(
        default=5.0, gt=0, le=3600, description="Time that a caller has to send its request, in seconds."
    )
    idle_connection_s: float = Field(
        default=300.0, ge=1, le=86_400, description="Connections without a call are closed after this, in seconds."
    )
    drain_notice_s: float = Field(
        default=2.0,
        ge=0,
        le=3600,
        description="Time from SIGTERM, when health turns NOT_SERVING, during which calls are still taken, in seconds.",
    )
    drain_s: float = Field(
        default=10.0, ge=0, le=3600, description="Time that running calls get after that, in seconds."
    )
    check_files: Literal["sizes", "checksums"] = Field(
        default="sizes",
        description="What is compared with the manifests before serving; `checksums` reads every file once.",
    )
    scrub_interval_s: float = Field(
        default=0.0,
        ge=0,
        description="Time between two readings of all files that compare their checksums, in seconds. 0: never.",
    )
    scrub_mb_per_s: float = Field(
        default=16.0, gt=0, le=100_000, description="How fast these readings go, in MB a second."
    )
    stop_with_stdin: bool = Field(
        default=False, description="Stop when standard input closes: for a parent that may die without a word."
    )

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key go together, expected both or neither")
        if self.tls_client_ca is not None and self.tls_cert is None:
            raise ValueError("tls_client_ca without tls_cert and tls_key: callers can show a certificate over TLS only")
        return self

    @field_validator("shards")
    @classmethod
    def _are_distinct(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) != len(value) or min(value, default=0) < 0:
            raise ValueError(f"{list(value)} are not distinct shard numbers >= 0")
        return tuple(sorted(value))
