"""How the server is reached: where, over what, and with which key."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import grpc

from loadtest.addresses import is_on_this_machine
from loadtest.errors import LoadTestError

Protocol = Literal["grpc", "http"]


@dataclass(frozen=True, slots=True)
class Access:
    """The way to a coordinator.

    Attributes:
        target: ``host:port``.
        protocol: What is spoken there.
        tls: Whether over TLS.
        ca: Certificates of the CAs that vouch for it, PEM; None: those of the system, or of gRPC.
        certificate: Certificate to show, PEM; goes with ``key``.
        key: Its private key, PEM.
        server_name: Name that the server's certificate is for, where it is not the host of the target.
        api_key: Key to show with every request.
    """

    target: str
    protocol: Protocol = "grpc"
    tls: bool = False
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str | None = None
    api_key: str | None = field(default=None, repr=False)

    def check(self) -> None:
        """Returns if the files can be read and the key is safe on its way.

        Raises:
            LoadTestError: otherwise.
        """
        if (self.certificate is None) != (self.key is None):
            raise LoadTestError("a certificate without a key or a key without a certificate, expected both or neither")
        if not self.tls and (self.ca or self.certificate or self.server_name):
            raise LoadTestError("files of TLS are given and TLS is not on; add --tls")
        if self.api_key is not None and not self.tls and not is_on_this_machine(self.target):
            raise LoadTestError(f"{self.target}: the API key would go over the network in clear; add --tls")
        if self.api_key is not None and not (self.api_key.isascii() and self.api_key.isprintable() and self.api_key):
            raise LoadTestError("the API key is not one line of printable ASCII characters; is the file right?")
        if self.tls:
            for path in (self.ca, self.certificate, self.key):
                _read(path)
            self.ssl_context()

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Returns what goes with every request, as names in lower case and values."""
        return (("authorization", f"Bearer {self.api_key}"),) if self.api_key is not None else ()

    def open_channel(self, options: list[tuple[str, str | int]]) -> grpc.aio.Channel:
        """Returns a gRPC channel."""
        if not self.tls:
            return grpc.aio.insecure_channel(self.target, options=options)
        credentials = grpc.ssl_channel_credentials(_read(self.ca), _read(self.key), _read(self.certificate))
        if self.server_name is not None:
            options = [*options, ("grpc.ssl_target_name_override", self.server_name)]
        return grpc.aio.secure_channel(self.target, credentials, options=options)

    def base_url(self) -> str:
        """Returns what a URL of the server begins with."""
        return f"{'https' if self.tls else 'http'}://{self.target}"

    def ssl_context(self) -> ssl.SSLContext | None:
        """Returns how HTTP speaks TLS; None: not at all.

        Raises:
            LoadTestError: a file is none of TLS.
        """
        if not self.tls:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            raise LoadTestError(f"{self.ca or self.certificate}: not usable for TLS ({error})") from error
        return context


def _read(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise LoadTestError(f"{path}: cannot be read ({error.strerror})") from error
