from collections import defaultdict

import click
import pytest

from headwater.index_command import index

SHARED = ("--json", "--threads", "--sample", "--seed", "--parts", "--skip-bad-lines", "--text-field", "--stage")


def options_by_flag() -> dict[str, list[tuple[str, click.Option]]]:
    """Returns every option of the index commands, with the commands that take it."""
    found = defaultdict(list)
    context = click.Context(index)
    for name in index.list_commands(context):
        command = index.get_command(context, name)
        assert command is not None
        for option in command.params:
            if isinstance(option, click.Option):
                found[option.opts[0]].append((name, option))
    return found


@pytest.mark.parametrize("flag", SHARED)
def test_options_of_one_name_take_the_same_everywhere(flag: str) -> None:
    taken = options_by_flag()[flag]
    assert len(taken) > 1
    meanings = {
        name: (option.name, repr(option.type), option.default, option.metavar, option.is_flag, option.multiple)
        for name, option in taken
    }
    assert len(set(meanings.values())) == 1, meanings


def test_every_command_can_print_json() -> None:
    assert {name for name, _ in options_by_flag()["--json"]} == set(index.list_commands(click.Context(index)))


def test_a_size_of_memory_is_the_plans_field() -> None:
    names = {command: option.name for command, option in options_by_flag()["--memory"] if command != "plan"}
    assert set(names.values()) == {"memory_bytes"}
    assert {"build", "add", "compact", "merge-shards"} <= set(names)
