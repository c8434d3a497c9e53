"""``headwater serve``: an index served on this machine until Ctrl-C."""

import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import click

from coordinator.local.child_processes import adopt_orphans, end_descendants
from headwater.local_cluster import LocalCluster, LocalClusterError
from headwater.plain_text import visible
from runtime.address import join_address
from runtime.errors import PublicListenError
from runtime.exposure import check_listening

_POLL_S = 1.0
_PATH = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option(
    "--index", "index_directory", type=click.Path(path_type=Path), metavar="DIR", required=True, help="Index to serve."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Interface to serve on.")
@click.option("--grpc-port", default=9000, show_default=True, type=click.IntRange(0, 65_535), help="0: any free one.")
@click.option("--http-port", default=8000, show_default=True, type=click.IntRange(0, 65_535), help="0: any free one.")
@click.option(
    "--shards-per-server", default=1, show_default=True, type=click.IntRange(1), help="Shards in one server process."
)
@click.option(
    "--replicas-per-shard",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="Servers that hold the same shard: with two, one may end and nothing is missing.",
)
@click.option("--tls-cert", type=_PATH, metavar="FILE", help="Certificate to serve with over TLS, PEM.")
@click.option("--tls-key", type=_PATH, metavar="FILE", help="Private key of --tls-cert, PEM.")
@click.option("--tls-client-ca", type=_PATH, metavar="FILE", help="CAs that must vouch for callers, PEM.")
@click.option("--keys-file", type=_PATH, metavar="FILE", help="API keys, one of which callers must show.")
@click.option(
    "--insecure-public",
    is_flag=True,
    help="Let --host be one that others reach without TLS and keys or --tls-client-ca.",
)
def serve(
    index_directory: Path,
    host: str,
    grpc_port: int,
    http_port: int,
    shards_per_server: int,
    replicas_per_shard: int,
    insecure_public: bool,
    **files: Path | None,
) -> None:
    """Serve an index: shard servers and a coordinator, all on this machine, until Ctrl-C or SIGTERM.

    To stop one that a script has started with &, send SIGTERM (kill PID): a shell without job control makes what
    it starts in the background ignore SIGINT.
    """
    settings = {name: path.resolve() for name, path in files.items() if path is not None}
    _check_exposure(host, grpc_port, settings, insecure_public)
    cluster = LocalCluster(
        index_directory,
        host=host,
        grpc_port=grpc_port,
        http_port=http_port,
        shards_per_server=shards_per_server,
        replicas_per_shard=replicas_per_shard,
        coordinator_settings={**settings, "insecure_public": insecure_public},
        on_progress=lambda step: click.echo(f"{step} ...", err=True),
    )
    adopt_orphans()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with cluster:
            _announce(cluster)
            try:
                _watch(cluster)
            except KeyboardInterrupt:
                click.echo("\nstopping ...", err=True)
    except LocalClusterError as error:
        # Not on one line as other errors: it may hold the end of a log.
        raise click.ClickException(visible(str(error))) from error
    finally:
        end_descendants(0)
    click.echo("stopped", err=True)


def _check_exposure(host: str, port: int, settings: Mapping[str, Path], insecure_public: bool) -> None:
    """Refuses at once what the coordinator would refuse once its shards are open."""
    if ("tls_cert" in settings) != ("tls_key" in settings):
        raise click.UsageError("--tls-cert and --tls-key go together.")
    try:
        check_listening(
            join_address(host, port),
            is_encrypted="tls_cert" in settings,
            knows_callers=bool({"keys_file", "tls_client_ca"} & settings.keys()),
            advice="--tls-cert and --tls-key, and --keys-file or --tls-client-ca",
            is_allowed=insecure_public,
        )
    except PublicListenError as error:
        raise click.UsageError(str(error)) from error


def _announce(cluster: LocalCluster) -> None:
    index = cluster.index
    click.echo(f"Serving index {index.index_id}: {index.num_tokens:,} tokens in {index.num_shards} shard(s).")
    click.echo(f"  gRPC  {cluster.grpc_target}")
    click.echo(f"  HTTP  {cluster.http_url}  (described at {cluster.http_url}/openapi.json)")
    click.echo("Try, in another terminal:")
    over_tls = "--tls-ca FILE " if cluster.http_url.startswith("https:") else ""
    click.echo(f'  headwater trace --connect {cluster.grpc_target} {over_tls}"an answer to trace"')
    click.echo("Ctrl-C stops it.")


def _watch(cluster: LocalCluster) -> None:
    """Returns never; says when a shard server is lost.

    Raises:
        LocalClusterError: the coordinator has ended.
    """
    told: set[str] = set()
    never = threading.Event()
    while not never.wait(_POLL_S):
        lost = set(cluster.lost_shards())
        for address in sorted(lost - told):
            click.echo(f"warning: the shard server at {address} has ended; {_loss(cluster, address, lost)}", err=True)
        told |= lost
        if (log := cluster.coordinator_log()) is not None:
            raise LocalClusterError(f"the coordinator has ended; its log says:\n{log}")


def _loss(cluster: LocalCluster, address: str, lost: set[str]) -> str:
    """Returns what it means that the server at ``address`` is among the lost ones."""
    if all(set(replicas) - lost for replicas in cluster.replica_addresses if address in replicas):
        return "other replicas answer for its shards"
    return "traces go on without its shards"


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt
