"""What ``import headwater`` costs and offers."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

import headwater
import suffix_engine
from headwater.index_command import index

_HEAVY = "print('LOADED', *sorted({'numpy', 'grpc', 'ray', 'rich', 'suffix_engine'} & set(sys.modules)))"


def test_import_loads_nothing_heavy() -> None:
    check = f"import sys, headwater; {_HEAVY}"
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "LOADED"


@pytest.mark.parametrize("command", [[], ["index"]])
def test_command_help_loads_nothing_heavy(command: list[str]) -> None:
    arguments = [*command, "--help"]
    check = f"import sys; from headwater.cli import cli; cli.main({arguments}, standalone_mode=False); {_HEAVY}"
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "LOADED"


def test_every_exported_name_can_be_had() -> None:
    for name in headwater.__all__:
        assert getattr(headwater, name) is not None


def test_errors_are_the_bases_of_what_the_calls_raise(tmp_path: Path) -> None:
    with pytest.raises(headwater.IndexFormatError):
        headwater.open(tmp_path)
    with pytest.raises(headwater.CoordinatorError):
        headwater.connect("127.0.0.1")
    assert issubclass(suffix_engine.ShardCorruptError, headwater.EngineError)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        headwater.nonsense  # noqa: B018


def test_every_command_of_an_index_is_there_under_the_name_that_help_gives() -> None:
    context = click.Context(index)
    for name in index.list_commands(context):
        command = index.get_command(context, name)
        assert command is not None
        assert command.name == name
    assert index.get_command(context, "absent") is None
