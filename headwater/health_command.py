"""``headwater health``: whether a server is ready, as an exit status."""

import time
from typing import Any

import click

from headwater.connection import Connection
from headwater.connection_options import connection_options, to_connection
from headwater.health import NotReadyError, check_health

_PAUSE_S = 0.2


@click.command()
@click.argument("target", metavar="HOST:PORT|URL")
@click.option("--service", default="", metavar="NAME", help="Service to ask gRPC for. [default: the whole process]")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0.1, max=3600.0),
    default=3.0,
    show_default=True,
    metavar="SECONDS",
    help="Time that the server has to answer.",
)
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(min=0.0, max=86_400.0),
    default=0.0,
    metavar="SECONDS",
    help="Ask again until it is ready, for so long.",
)
@connection_options
def health(target: str, service: str, timeout_s: float, wait_s: float, **flags: Any) -> None:
    """Say whether a shard server or a coordinator is ready: exit status 0 if it is, else 1 with the reason.

    HOST:PORT is asked over gRPC (grpc.health.v1); http://HOST:PORT/readyz, where metrics_listen is, over HTTP. For
    health checks of containers and units, and for scripts that wait for a server.
    """
    click.echo(_ready(target, to_connection(flags), service, timeout_s, time.monotonic() + wait_s))


def _ready(target: str, connection: Connection, service: str, timeout_s: float, until: float) -> str:
    while True:
        try:
            return check_health(target, connection, service=service, timeout_s=timeout_s)
        except NotReadyError:
            if time.monotonic() + _PAUSE_S >= until:
                raise
            time.sleep(_PAUSE_S)
