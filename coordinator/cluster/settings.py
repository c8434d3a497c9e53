"""The settings of the coordinator's side of the cluster; the coordinator's configuration inherits them."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ClusterSettings(BaseModel):
    """How shard servers are connected, tried, hedged, ejected and reloaded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shard_tls_ca: Path | None = Field(
        default=None,
        description="Certificates of the CAs that vouch for shard servers, PEM. None: they are called without TLS.",
    )
    shard_tls_cert: Path | None = Field(
        default=None,
        description="Certificate to show to shard servers that want one, PEM. Changed files are read again.",
    )
    shard_tls_key: Path | None = Field(
        default=None, description="Private key of `shard_tls_cert`, PEM, without a password."
    )
    shard_tls_server_name: str | None = Field(
        default=None,
        min_length=1,
        description="Name that the certificates of shard servers are for, where it is not the host of their address.",
    )
    connect_timeout_ms: int = Field(
        default=5_000,
        ge=1,
        le=600_000,
        description="Time that the shards have at the start to get searchable, in ms; then what is there is served.",
    )
    keepalive_interval_ms: int = Field(
        default=1_000,
        ge=100,
        le=3_600_000,
        description="Time between pings of a shard server, with calls or without, in ms.",
    )
    keepalive_timeout_ms: int = Field(
        default=500,
        ge=50,
        le=60_000,
        description="Time that a server has to answer a ping, in ms; then it is taken for dead.",
    )
    reconnect_grace_ms: int = Field(
        default=500,
        ge=0,
        le=60_000,
        description="Time that a call waits for a shard which has just lost its last replica, in ms.",
    )
    max_message_bytes: int = Field(
        default=64 * 1024 * 1024, ge=65_536, le=2**31 - 1, description="Largest message from or to a server, in bytes."
    )
    hedge_start_ms: int = Field(
        default=50,
        ge=1,
        le=60_000,
        description="Time after which a slow call goes to another replica too, while few calls were measured, in ms; "
        "then it is the 95th percentile of the last calls.",
    )
    hedge_floor_ms: int = Field(
        default=10, ge=1, le=60_000, description="Least time after which a call goes to another replica too, in ms."
    )
    hedge_percent: float = Field(
        default=5.0, ge=0, le=100, description="Most calls that may go to another replica too, in percent; 0 = none."
    )
    hedge_burst: int = Field(
        default=20, ge=1, le=10_000, description="Calls of a shard that may do so at once after a quiet time."
    )
    retry_percent: float = Field(
        default=20.0,
        ge=0,
        le=100,
        description="Most calls that may be tried again, in percent; 0 = none. "
        "The first try after a broken connection does not count.",
    )
    retry_burst: int = Field(
        default=100, ge=1, le=10_000, description="Calls of a shard that may be tried again at once after a quiet time."
    )
    ejection_failures: int = Field(
        default=3, ge=1, le=1000, description="Failed or slow calls one after the other that eject a replica."
    )
    ejection_base_ms: int = Field(
        default=1_000,
        ge=1,
        le=3_600_000,
        description="Time that a replica is left out at first, in ms; doubled each time.",
    )
    ejection_most_ms: int = Field(
        default=30_000, ge=1, le=3_600_000, description="Most time that a replica is left out, in ms."
    )
    takedown_file: Path | None = Field(
        default=None,
        description="JSON file with the documents that are taken down: the admin calls and `headwater takedown` write "
        "it. One for all coordinators of a cluster. Absent: nothing can be taken down.",
    )
    takedown_timeout_ms: int = Field(
        default=10_000,
        ge=1,
        le=600_000,
        description="Time that shard servers have to obey a changed list of takedowns, in ms; then they are left out "
        "until they do.",
    )
    reload_interval_s: float = Field(
        default=2.0,
        ge=0,
        le=86_400,
        description="Time between looks at the cluster file and its indexes' manifests, in s; 0 = never.",
    )
    retire_timeout_ms: int = Field(
        default=120_000,
        ge=0,
        le=3_600_000,
        description="Most time that requests have to end on a generation that was replaced, in ms.",
    )

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.shard_tls_cert is None) != (self.shard_tls_key is None):
            raise ValueError("shard_tls_cert and shard_tls_key go together, expected both or neither")
        if self.shard_tls_ca is None and (self.shard_tls_cert, self.shard_tls_server_name) != (None, None):
            raise ValueError("shard_tls_cert and shard_tls_server_name are of use with shard_tls_ca only")
        return self
