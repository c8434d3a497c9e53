"""The configuration of a coordinator: the typed argument of the Serve application, so the ``args`` of its config file."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class CoordinatorConfig(BaseModel):
    """What a coordinator traces against, and how much it takes on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    placement: Path = Field(description="YAML file that says where the index and its shards are.")
    num_replicas: int = Field(1, ge=1, le=1000, description="Replicas of the coordinator, one process each.")
    max_running_requests: int = Field(16, ge=1, description="Requests that a replica works on at once.")
    max_queued_requests: int = Field(
        64, ge=0, description="Requests that wait for a replica; more get RESOURCE_EXHAUSTED or HTTP 503."
    )
    default_timeout_ms: int = Field(
        30_000, ge=1, description="Time to answer when the request names none, in milliseconds."
    )
    max_timeout_ms: int = Field(
        120_000, ge=1, description="Most time a request can ask for, in milliseconds."
    )
    connect_timeout_ms: int = Field(
        5_000,
        ge=1,
        description="Time that a shard server gets at the start to say what it holds, in milliseconds.",
    )
    max_message_bytes: int = Field(
        64 * 1024 * 1024, ge=65_536, description="Largest message from or to a shard server, in bytes."
    )
    max_body_bytes: int = Field(
        4 * 1024 * 1024, ge=1024, description="Largest body of an HTTP request, in bytes."
    )
