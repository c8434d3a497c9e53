"""How to reach a coordinator: over TLS or not, and what the caller shows of itself."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from coordinator.errors import InvalidRequestError
from runtime.errors import TlsFileError
from runtime.exposure import is_loopback
from runtime.tls_files import TlsFiles

if TYPE_CHECKING:
    import grpc


@dataclass(frozen=True, slots=True)
class Connection:
    """What goes with the address of a coordinator.

    Attributes:
        tls: Whether to speak TLS; a CA or a certificate says so too.
        ca: Certificates of the CAs that vouch for the coordinator, PEM; None means those that gRPC comes with.
        certificate: Certificate to show, PEM; None means none. Goes with ``key``.
        key: Its private key, PEM.
        server_name: Name that the coordinator's certificate is for, where it is not the host of the address.
        api_key: Key to show, as `headwater keys new` prints it.
        insecure: Whether the key may be sent in clear to an address where others may listen in.
    """

    tls: bool = False
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str | None = None
    api_key: str | None = field(default=None, repr=False)
    insecure: bool = False

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS is spoken."""
        return self.tls or (self.ca, self.certificate, self.key, self.server_name) != (None, None, None, None)

    def open_channel(self, target: str, options: Sequence[tuple[str, str | int]]) -> "grpc.Channel":
        """Returns a channel to ``host:port``.

        Raises:
            InvalidRequestError: a file is missing or wrong, or the key would be sent in clear.
        """
        import grpc  # not before a connection is made: it takes a tenth of a second

        if not self.is_encrypted:
            self._check_plain(target)
            return grpc.insecure_channel(target, options=options)
        try:
            material = TlsFiles(self.certificate, self.key, self.ca).material
        except TlsFileError as error:
            raise InvalidRequestError(str(error)) from error
        credentials = grpc.ssl_channel_credentials(
            material.ca or None, material.key or None, material.certificate or None
        )
        if self.server_name is not None:
            options = [*options, ("grpc.ssl_target_name_override", self.server_name)]
        return grpc.secure_channel(target, credentials, options=options)

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Returns what goes with every call.

        Raises:
            InvalidRequestError: the key has characters that no key has.
        """
        if self.api_key is None:
            return ()
        if not (
            self.api_key
            and self.api_key.isascii()
            and self.api_key.isprintable()
            and self.api_key.strip() == self.api_key
        ):
            raise InvalidRequestError("the API key is not one line of printable ASCII characters; is the file right?")
        return (("authorization", f"Bearer {self.api_key}"),)

    def _check_plain(self, target: str) -> None:
        if self.api_key is None or self.insecure:
            return
        host = target.rpartition(":")[0].removeprefix("[").removesuffix("]")
        if not _is_of_this_machine(host):
            raise InvalidRequestError(
                f"{target}: the API key would go over the network in clear; connect with TLS (--tls), or say that the "
                "way there is safe (--insecure)"
            )


def _is_of_this_machine(host: str) -> bool:
    # Other names are not looked up here: what they mean to gRPC a moment later may be something else.
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" and is_loopback(host)
    return is_loopback(host)
