"""What the gRPC server shows to callers over TLS, and what it wants to see of them."""

import grpc

from runtime.tls_files import TlsFiles, TlsMaterial
from shard_server.config import ShardServerConfig


def tls_files(config: ShardServerConfig) -> TlsFiles | None:
    """Returns the files to serve with; None if the server speaks no TLS.

    Raises:
        TlsFileError: a file is missing or wrong.
    """
    if config.tls_cert is None:
        return None
    return TlsFiles(config.tls_cert, config.tls_key, config.tls_client_ca)


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Returns the credentials of one gRPC server.

    The files are looked at before each handshake, so that the next connection sees a certificate that was replaced.
    Connections that are open stay as they are.
    """
    shown = files.material

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        nonlocal shown
        files.refresh()
        if files.material is shown:
            return None  # as before
        shown = files.material
        return _configuration(shown)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(shown),
        fetch,  # type: ignore[arg-type]  # the stubs do not know that None means "as before"
        require_client_authentication=bool(shown.ca),
    )


def _configuration(material: TlsMaterial) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(material.key, material.certificate)], root_certificates=material.ca or None
    )
