"""What the coordinator shows to shard servers over TLS, and which of their certificates it believes."""

import grpc

from coordinator.cluster.settings import ClusterSettings
from coordinator.errors import ConfigurationError
from runtime.errors import TlsFileError
from runtime.tls_files import TlsFiles


class ServerCredentials:
    """Credentials for channels to shard servers, of the files as they were read last.

    Attributes:
        version: Number of what was read; a channel of another one should be renewed.
    """

    def __init__(self, settings: ClusterSettings):
        """Reads the files.

        Raises:
            ConfigurationError: one is missing or wrong.
        """
        try:
            self._files = TlsFiles(settings.shard_tls_cert, settings.shard_tls_key, settings.shard_tls_ca)
        except TlsFileError as error:
            raise ConfigurationError(str(error)) from error
        self.version = 0

    def refresh(self) -> None:
        """Reads the files again if they have changed. Touches the disk."""
        if self._files.refresh():
            self.version += 1

    def of_channel(self) -> grpc.ChannelCredentials:
        """Returns credentials for another channel."""
        material = self._files.material
        return grpc.ssl_channel_credentials(material.ca or None, material.key or None, material.certificate or None)


def server_credentials(settings: ClusterSettings) -> ServerCredentials | None:
    """Returns the credentials that the settings name; None if shard servers are called without TLS."""
    return ServerCredentials(settings) if settings.shard_tls_ca is not None else None
