"""What a shard server is told, and what it refuses to be told."""

from pathlib import Path
from typing import Any

import pytest

from runtime.errors import SettingsError
from runtime.settings import load_settings
from shard_server.config import ENVIRONMENT_PREFIX, ShardServerConfig


def load(flags: dict[str, Any], environment: dict[str, str] | None = None) -> ShardServerConfig:
    return load_settings(
        ShardServerConfig, ENVIRONMENT_PREFIX, flags={"index": "/srv/index", **flags}, environment=environment
    )


def test_settings_come_from_flags_and_the_environment_of_the_prefix() -> None:
    config = load({"max_windows": "30"}, {"HEADWATER_SHARD_SHARDS": "2,0", "HEADWATER_SHARD_MAX_WINDOWS": "20"})
    assert (config.index, config.shards, config.max_windows) == (Path("/srv/index"), (0, 2), 30)


def test_a_request_of_the_longest_query_fits_a_message() -> None:
    config = load({})
    arrays = 3  # token ids, word starts and cuts, u32 each
    assert arrays * 4 * config.max_query_tokens < config.max_request_bytes
    assert (4 + 8) * config.max_windows < config.max_request_bytes


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"shards": [1, 1]}, r"\[1, 1\] are not distinct"),
        ({"shards": [-1]}, r"\[-1\] are not distinct shard numbers >= 0"),
        ({"listen": "7001"}, "'7001' is not host:port"),
        ({"metrics_listen": "nowhere"}, "'nowhere' is not host:port"),
        ({"check_files": "never"}, "setting 'check_files' is 'never'"),
        ({"log_level": "loud"}, "setting 'log_level' is 'loud'"),
    ],
)
def test_a_wrong_setting_is_named(flags: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load(flags)
