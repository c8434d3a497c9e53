"""Where each setting of a process comes from, what is refused, and how the flags follow from the model."""

from pathlib import Path
from typing import Any, Literal

import click
import pytest
from click.testing import CliRunner
from pydantic import BaseModel, ConfigDict, Field

from runtime.address import Address
from runtime.errors import SettingsError
from runtime.settings import given_flags, load_settings, with_flags


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    index: Path = Field(description="The index.")
    max_windows: int = Field(default=64, ge=1, description="Most windows.")
    drain_s: float = Field(default=10.0, description="Time to drain.")
    depth: int = Field(default=1, description="Depth.")
    shards: tuple[int, ...] = Field(default=(), description="Shards.", json_schema_extra={"flag": "--shard"})
    names: tuple[str, ...] | None = Field(default=None, description="Names.")
    listen: Address | None = Field(default=None, description="Where.")
    key: str = Field(default="", max_length=4, repr=False, description="A secret.")
    level: Literal["low", "high"] = Field(default="low", description="Level.")
    reflection: bool = Field(default=True, description="Whether to reflect.")


INDEX = {"index": "/srv/index"}


def load(
    flags: dict[str, Any] | None = None, environment: dict[str, str] | None = None, file: Path | None = None
) -> Settings:
    return load_settings(Settings, "APP_", flags=flags, environment=environment, config_file=file)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text("index: /from/file\nmax_windows: 10\ndepth: 10\ndrain_s: 1\n")
    return path


def test_a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default(file: Path) -> None:
    settings = load({"max_windows": "30"}, {"APP_MAX_WINDOWS": "20", "APP_DEPTH": "20", "PATH": "/bin"}, file)
    assert (settings.max_windows, settings.depth, settings.drain_s) == (30, 20, 1.0)
    assert (settings.index, settings.shards) == (Path("/from/file"), ())


def test_the_word_none_takes_away_what_may_be_absent_and_nothing_else() -> None:
    assert load(INDEX | {"listen": "127.0.0.1:1"}).listen == "127.0.0.1:1"
    assert load(INDEX | {"listen": "none"}).listen is None
    assert load(INDEX, {"APP_LISTEN": "none"}).listen is None
    assert load(INDEX | {"key": "none"}).key == "none"


def test_lists_are_written_with_commas_in_the_environment() -> None:
    settings = load(INDEX, {"APP_SHARDS": "2, 0,", "APP_NAMES": "a,b"})
    assert (settings.shards, settings.names) == ((2, 0), ("a", "b"))


@pytest.mark.parametrize(
    ("flags", "environment", "message"),
    [
        ({}, {}, "setting 'index' is missing; give --index or APP_INDEX"),
        ({**INDEX, "colour": "blue"}, {}, "setting 'colour' is unknown, expected one of index, max_windows"),
        (INDEX, {"APP_COLOUR": "blue"}, "setting 'colour' is unknown"),
        ({**INDEX, "max_windows": "many"}, {}, "setting 'max_windows' is 'many'"),
        ({**INDEX, "max_windows": 0}, {}, "setting 'max_windows' is 0: .*greater than or equal to 1"),
        ({**INDEX, "listen": "7001"}, {}, "'7001' is not host:port"),
        ({**INDEX, "listen": "h:70000"}, {}, "'h:70000' is not host:port"),
        ({**INDEX, "listen": "::1:7001"}, {}, "needs brackets"),
        ({**INDEX, "max_windows": 0, "depth": "x"}, {}, "'max_windows' is 0.*; setting 'depth' is 'x'"),
    ],
)
def test_a_wrong_setting_is_named(flags: dict[str, Any], environment: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load(flags, environment)


def test_a_secret_that_is_wrong_is_not_shown() -> None:
    with pytest.raises(SettingsError, match="setting 'key' is wrong") as raised:
        load({**INDEX, "key": "hunter2"})
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "message"), [("- a\n", "expected settings by name, found list"), ("{", "cannot read the configuration")]
)
def test_a_file_that_is_no_configuration_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(content)
    with pytest.raises(SettingsError, match=f"config.yaml: {message}"):
        load(INDEX, {}, path)


def test_a_missing_file_is_an_error_and_an_empty_one_is_not(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot read"):
        load(INDEX, {}, tmp_path / "none.yaml")
    (tmp_path / "empty.yaml").touch()
    assert load(INDEX, {}, tmp_path / "empty.yaml") == Settings(index=Path("/srv/index"))


@pytest.mark.parametrize(
    "name", ["SERVICE_HOST", "PORT", "PORT_7001_TCP_ADDR", "0_SERVICE_PORT", "SERVICE_PORT_GRPC", "1_PORT_7001_TCP"]
)
def test_variables_that_kubernetes_makes_for_a_service_of_that_name_are_passed_over(name: str) -> None:
    assert load(INDEX, {f"APP_{name}": "tcp://10.0.0.1:7001"}) == Settings(index=Path("/srv/index"))


def run(*arguments: str) -> tuple[dict[str, Any], Path | None]:
    found: list[Any] = []

    @click.command()
    @with_flags(Settings)
    @click.pass_context
    def command(context: click.Context, /, config_file: Path | None, **_: Any) -> None:
        found.extend((given_flags(context, Settings), config_file))

    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    return found[0], found[1]


def test_only_flags_that_were_given_count() -> None:
    assert run() == ({}, None)
    given, config_file = run("--max-windows", "5", "--no-reflection", "--config", "x.yaml")
    assert given == {"max_windows": "5", "reflection": False}
    assert config_file == Path("x.yaml")


def test_a_flag_of_a_list_is_repeated_and_a_field_may_name_its_flag() -> None:
    given, _ = run("--shard", "2", "--shard", "0", "--names", "a")
    assert load({**INDEX, **given}).shards == (2, 0)
    assert given["names"] == ("a",)


def test_help_shows_every_setting_with_its_default() -> None:
    @click.command()
    @with_flags(Settings)
    def command(**_: Any) -> None:
        pass

    page = CliRunner().invoke(command, ["--help"]).output
    for flag in ("--index", "--max-windows", "--shard ", "--reflection / --no-reflection"):
        assert flag in page
    assert "--max-windows INTEGER" in page
    assert "--level low|high" in page
    assert "Most windows.  [default: 64]" in page
    assert "Shards. Repeat it for more." in page
