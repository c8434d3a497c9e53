"""The configuration of a coordinator: the typed argument of the Serve application, ``args`` in its config file."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class CoordinatorConfig(BaseModel):
    """What a coordinator traces against, and how much it takes on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    placement: Path = Field(description="YAML file that says where the index and its shards are.")
    num_replicas: int = Field(default=1, ge=1, le=1000, description="Replicas of the coordinator, one process each.")
    max_running_requests: int = Field(default=16, ge=1, description="Requests that a replica works on at once.")
    max_queued_requests: int = Field(
        default=64, ge=0, description="Requests that wait for a replica; more get RESOURCE_EXHAUSTED or HTTP 503."
    )
    default_timeout_ms: int = Field(
        default=30_000, ge=1, description="Time to answer when the request names none, in milliseconds."
    )
    max_timeout_ms: int = Field(default=120_000, ge=1, description="Most time a request can have, in milliseconds.")
    connect_timeout_ms: int = Field(
        default=5_000,
        ge=1,
        description="Time that a shard server has at the start to say what it holds, in ms.",
    )
    max_message_bytes: int = Field(
        default=64 * 1024 * 1024, ge=65_536, description="Largest message from or to a shard server, in bytes."
    )
    max_body_bytes: int = Field(
        default=4 * 1024 * 1024, ge=1024, description="Largest body of an HTTP request, in bytes."
    )
