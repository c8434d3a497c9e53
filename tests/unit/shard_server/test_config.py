"""Where each setting of a shard server comes from, and what is refused."""

from pathlib import Path

import pytest

from shard_server.config import ShardServerConfig, load_config
from shard_server.errors import ConfigError

INDEX = {"index": "/srv/index"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text("index: /from/file\nmax_windows: 10\nmax_running_calls: 10\ndrain_s: 1\n")
    return path


def test_a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default(file: Path) -> None:
    environment = {"HEADWATER_SHARD_MAX_WINDOWS": "20", "HEADWATER_SHARD_MAX_RUNNING_CALLS": "20", "PATH": "/bin"}
    config = load_config({"max_windows": "30"}, environment, file)
    assert (config.max_windows, config.max_running_calls, config.drain_s) == (30, 20, 1.0)
    assert (config.index, config.max_queued_calls) == (Path("/from/file"), 64)


def test_shards_are_a_list_with_commas_in_the_environment() -> None:
    assert load_config(INDEX, {"HEADWATER_SHARD_SHARDS": "2,0"}, None).shards == (0, 2)


@pytest.mark.parametrize(
    ("flags", "environment", "message"),
    [
        ({}, {}, "setting 'index' is missing; give --index or HEADWATER_SHARD_INDEX"),
        ({"colour": "blue"}, {}, "setting 'colour' is unknown, expected one of index, shards"),
        ({}, {"HEADWATER_SHARD_COLOUR": "blue"}, "setting 'colour' is unknown"),
        ({"max_windows": "many"}, {}, "setting 'max_windows' is 'many'"),
        ({"max_windows": 0}, {}, "setting 'max_windows' is 0: .*greater than or equal to 1"),
        ({"listen": "7001"}, {}, "'7001' is not host:port"),
        ({"listen": "h:70000"}, {}, "'h:70000' is not host:port"),
        ({"metrics_listen": "nowhere"}, {}, "'nowhere' is not host:port"),
        ({"shards": [1, 1]}, {}, r"\[1, 1\] are not distinct"),
        ({"shards": [-1]}, {}, r"\[-1\] are not distinct shard numbers >= 0"),
    ],
)
def test_a_wrong_setting_is_named(flags: dict[str, object], environment: dict[str, str], message: str) -> None:
    given = flags if message.startswith("setting 'index'") else {**INDEX, **flags}
    with pytest.raises(ConfigError, match=message):
        load_config(given, environment, None)


@pytest.mark.parametrize(
    ("content", "message"), [("- a\n", "expected settings by name, found list"), ("{", "cannot read the configuration")]
)
def test_a_file_that_is_no_configuration_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=f"config.yaml: {message}"):
        load_config(INDEX, {}, path)


def test_a_missing_file_is_an_error_and_an_empty_one_is_not(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        load_config(INDEX, {}, tmp_path / "none.yaml")
    (tmp_path / "empty.yaml").touch()
    assert load_config(INDEX, {}, tmp_path / "empty.yaml") == ShardServerConfig(index=Path("/srv/index"))
