"""A group of commands that are imported when they are used, so that ``--help`` is quick."""

import importlib
from collections.abc import Mapping

import click


class LazyGroup(click.Group):
    """Finds its commands by name: each is the attribute of a module.

    ``commands_by_name`` has module, attribute and line of help; the line is repeated there so that listing imports
    nothing.
    """

    commands_by_name: Mapping[str, tuple[str, str, str]]

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Returns the names of the commands, in the order given."""
        return list(self.commands_by_name)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Returns a command, importing it, or None."""
        if cmd_name not in self.commands_by_name:
            return None
        module, attribute, _ = self.commands_by_name[cmd_name]
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in self.commands_by_name.items()])
