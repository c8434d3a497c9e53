"""``headwater health``: whether a server is ready, as an exit status."""

from typing import Any

import click

from headwater.connection_options import connection_options, to_connection
from headwater.health import check_health


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
@connection_options
def health(target: str, service: str, timeout_s: float, **flags: Any) -> None:
    """Say whether a shard server or a coordinator is ready: exit status 0 if it is, else 1 with the reason.

    HOST:PORT is asked over gRPC (grpc.health.v1); http://HOST:PORT/readyz, where metrics_listen is, over HTTP. For
    health checks of containers and units, and for scripts that wait for a server.
    """
    click.echo(check_health(target, to_connection(flags), service=service, timeout_s=timeout_s))
