"""Serves shards over gRPC: ``python -m shard_server --index DIR --shard 0 --listen 127.0.0.1:7001``."""

import os
import sys
from pathlib import Path
from typing import Any

import click
import uvloop

from index_format.errors import IndexFormatError
from runtime.errors import RuntimeSetupError
from runtime.logs import log_to_stderr
from runtime.settings import given_flags, load_settings, with_flags
from shard_server.config import ENVIRONMENT_PREFIX, ShardServerConfig
from shard_server.errors import ServerLostError, ShardServerError
from shard_server.process import run
from suffix_engine import EngineError


@click.command(
    help=__doc__,
    epilog=f"Every setting can also be given as {ENVIRONMENT_PREFIX}<NAME> or in the file of --config.",
)
@with_flags(ShardServerConfig)
@click.pass_context
def main(context: click.Context, /, config_file: Path | None, **_: Any) -> None:
    """Runs the server until it is told to stop."""
    flags = given_flags(context, ShardServerConfig)
    try:
        config = load_settings(
            ShardServerConfig, ENVIRONMENT_PREFIX, flags=flags, environment=os.environ, config_file=config_file
        )
        log_to_stderr(config.log_level)
        # A seventh less processor time a call than with the standard loop (`python -m bench remote_profile`).
        uvloop.run(run(config))
    except ServerLostError as error:
        sys.exit(f"shard server cannot go on: {error}")
    except (RuntimeSetupError, ShardServerError, IndexFormatError, EngineError) as error:
        sys.exit(f"shard server cannot start: {error}")


if __name__ == "__main__":
    main(prog_name="python -m shard_server")
