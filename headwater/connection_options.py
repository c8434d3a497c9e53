"""The flags that say how a command connects to a coordinator: TLS, and the key it shows."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from headwater.connection import Connection

_F = TypeVar("_F", bound=Callable[..., Any])
_PATH = click.Path(path_type=Path, dir_okay=False)

API_KEY_VARIABLE = "HEADWATER_API_KEY"

# Parameter names are keys of the flags that `to_connection` takes.
_FLAGS = (
    click.option("--tls", is_flag=True, help="Connect over TLS; the other --tls flags say so too."),
    click.option("--tls-ca", type=_PATH, metavar="FILE", help="CAs that vouch for the coordinator, PEM."),
    click.option("--tls-cert", type=_PATH, metavar="FILE", help="Certificate to show to the coordinator, PEM."),
    click.option("--tls-key", type=_PATH, metavar="FILE", help="Private key of --tls-cert, PEM."),
    click.option("--tls-server-name", metavar="NAME", help="Name that the coordinator's certificate is for."),
    click.option(
        "--api-key-file", type=_PATH, metavar="FILE", help=f"File of the API key to show. [default: {API_KEY_VARIABLE}]"
    ),
    click.option("--insecure", is_flag=True, help="Send the API key without TLS over a network."),
)


def connection_options(command: _F) -> _F:
    """Adds ``--tls``, ``--tls-ca``, ``--tls-cert``, ``--tls-key``, ``--tls-server-name``, ``--api-key-file``."""
    for flag in reversed(_FLAGS):
        command = flag(command)
    return command


def to_connection(flags: dict[str, Any], *, is_used: bool = True) -> Connection:
    """Returns what the flags of `connection_options` and the environment say, and takes the flags out of ``flags``.

    Args:
        flags: Values by parameter name.
        is_used: Whether the command connects to a coordinator at all.

    Raises:
        click.UsageError: a flag was given and nothing is connected to, or a file of the key cannot be read.
    """
    names = ("tls", "tls_ca", "tls_cert", "tls_key", "tls_server_name", "api_key_file", "insecure")
    given = {name: flags.pop(name) for name in names}
    if not is_used:
        for name, value in given.items():
            if value:
                raise click.UsageError(f"--{name.replace('_', '-')} is of use with a coordinator only.")
        return Connection()
    if (given["tls_cert"] is None) != (given["tls_key"] is None):
        raise click.UsageError("--tls-cert and --tls-key go together.")
    return Connection(
        tls=given["tls"],
        ca=given["tls_ca"],
        certificate=given["tls_cert"],
        key=given["tls_key"],
        server_name=given["tls_server_name"],
        api_key=_api_key(given["api_key_file"]),
        insecure=given["insecure"],
    )


def _api_key(path: Path | None) -> str | None:
    if path is None:
        return os.environ.get(API_KEY_VARIABLE, "").strip() or None
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"--api-key-file: {path} cannot be read ({error}).") from error
