"""Serves shards over gRPC: ``python -m shard_server --index DIR --shard 0 --listen 127.0.0.1:7001``."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from index_format.errors import IndexFormatError
from shard_server.config import ENVIRONMENT_PREFIX, ShardServerConfig, load_config
from shard_server.errors import ShardServerError
from shard_server.logs import log_to_stderr
from shard_server.server import run
from suffix_engine import EngineError


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _help(name: str) -> str:
    field = ShardServerConfig.model_fields[name]
    default = "" if field.is_required() or field.default in ((), None, False) else f"  [default: {field.default}]"
    return f"{field.description}{default}"


def _with_settings(command: Any) -> Any:
    """Adds a flag for every setting, so that flags, file and documentation never differ."""
    for name in reversed(ShardServerConfig.model_fields):
        if name == "shards":
            option = click.option(
                "--shard",
                "shards",
                type=int,
                multiple=True,
                help="A shard to serve; repeat it. Default: all.",
            )
        elif name == "stop_with_stdin":
            option = click.option(_flag(name), is_flag=True, help=_help(name))
        else:
            option = click.option(_flag(name), name, help=_help(name))
        command = option(command)
    return command


@click.command(help=__doc__)
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="YAML file of settings.")
@click.option(
    "--log-level", default="info", type=click.Choice(["debug", "info", "warning", "error"]), show_default=True
)
@_with_settings
@click.pass_context
def main(context: click.Context, /, config_file: Path | None, log_level: str, **settings: Any) -> None:
    """Runs the server until it is told to stop."""
    flags = {
        name: value
        for name, value in settings.items()
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    log_to_stderr(log_level)
    try:
        asyncio.run(run(load_config(flags, os.environ, config_file)))
    except (ShardServerError, IndexFormatError, EngineError) as error:
        sys.exit(f"shard server cannot start: {error}")


main.epilog = f"Every setting can also be given as {ENVIRONMENT_PREFIX}<NAME> or in the file of --config."

if __name__ == "__main__":
    main(prog_name="python -m shard_server")
