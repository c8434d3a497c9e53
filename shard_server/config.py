"""The configuration of a shard server: default < YAML file < ``HEADWATER_SHARD_*`` variables < flags."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from shard_server.errors import ConfigError

ENVIRONMENT_PREFIX = "HEADWATER_SHARD_"


class ShardServerConfig(BaseModel):
    """What a shard server serves, where, and how much it takes on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    index: Path = Field(
        description="Directory of the index: its manifest, its tokenizer and the folders of the shards."
    )
    shards: tuple[int, ...] = Field(
        default=(), description="Numbers of the shards to serve. Empty: every shard of the index."
    )
    listen: str = Field(
        default="127.0.0.1:7001", description="Address to serve gRPC on, `host:port`. Port 0: any free one."
    )
    metrics_listen: str | None = Field(
        default=None, description="Address to serve Prometheus metrics on. Absent: nowhere."
    )
    search_threads: int = Field(
        default=0, ge=0, le=1024, description="Threads that search, over all shards. 0: one a core."
    )
    max_running_calls: int = Field(default=8, ge=1, le=1024, description="Calls worked on at once.")
    max_queued_calls: int = Field(
        default=64, ge=0, le=1024, description="Calls that wait, each in a thread; more get RESOURCE_EXHAUSTED."
    )
    max_query_tokens: int = Field(default=250_000, ge=1, description="Longest query, in tokens.")
    max_windows: int = Field(default=4096, ge=1, description="Most windows in one call.")
    max_window_tokens: int = Field(
        default=4_000_000, ge=1, description="Most tokens in the windows of one call, together."
    )
    max_document_tokens: int = Field(default=100_000, ge=1, description="Most tokens of a document in one call.")
    max_message_bytes: int = Field(
        default=64 * 1024 * 1024, ge=65_536, description="Largest message, either way, in bytes."
    )
    drain_s: float = Field(
        default=10.0, ge=0, le=3600, description="Time that running calls get on SIGTERM, in seconds."
    )
    stop_with_stdin: bool = Field(
        default=False, description="Stop when standard input closes: for a parent that may die without a word."
    )

    @field_validator("listen", "metrics_listen")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is not None:
            host, separator, port = value.rpartition(":")
            if not separator or not host or not port.isdecimal() or int(port) > 65_535:
                raise ValueError(f"{value!r} is not host:port with a port of 0 to 65535")
        return value

    @field_validator("shards")
    @classmethod
    def _are_distinct(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) != len(value) or min(value, default=0) < 0:
            raise ValueError(f"{list(value)} are not distinct shard numbers >= 0")
        return tuple(sorted(value))


def load_config(
    flags: Mapping[str, Any], environment: Mapping[str, str], config_file: Path | None
) -> ShardServerConfig:
    """Returns the configuration: each setting from the flags if there, else the environment, else the file.

    Args:
        flags: Settings given on the command line, by field name; those not given are absent.
        environment: Environment variables. Lists are written with commas.
        config_file: A YAML file of settings by field name.

    Raises:
        ConfigError: a setting is unknown, missing or out of range, or the file is unreadable.
    """
    settings = {**_from_file(config_file), **_from_environment(environment), **flags}
    try:
        return ShardServerConfig.model_validate(settings)
    except ValidationError as error:
        raise ConfigError("; ".join(_explain(detail) for detail in error.errors())) from None


def _explain(detail: Any) -> str:
    name = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"setting {name!r} is unknown, expected one of {', '.join(ShardServerConfig.model_fields)}"
    if detail["type"] == "missing":
        return f"setting {name!r} is missing; give --{name} or {ENVIRONMENT_PREFIX}{name.upper()}"
    return f"setting {name!r} is {detail['input']!r}: {detail['msg']}"


def _from_file(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: cannot read the configuration ({error})") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected settings by name, found {type(content).__name__}")
    return {str(name): value for name, value in content.items()}


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for variable, value in environment.items():
        if variable.startswith(ENVIRONMENT_PREFIX):
            name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
            settings[name] = [part for part in value.split(",") if part] if name == "shards" else value
    return settings
