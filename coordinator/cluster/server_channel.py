"""The connection to a shard server, and what goes with every call over it."""

import grpc.aio

from coordinator.cluster.renewable_channel import RenewableChannel
from coordinator.cluster.server_credentials import ServerCredentials
from coordinator.cluster.settings import ClusterSettings
from runtime import request_id, telemetry

Metadata = tuple[tuple[str, str], ...]


def open_channel(
    address: str, settings: ClusterSettings, credentials: ServerCredentials | None = None
) -> grpc.aio.Channel:
    """Returns a channel to a shard server. It connects by itself, and again when the server comes back.

    With credentials it is a `RenewableChannel`.
    """
    options: list[tuple[str, int | str]] = [
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        # Only the first two together notice a frozen server (measured on grpcio 1.85).
        ("grpc.keepalive_time_ms", settings.keepalive_interval_ms),
        ("grpc.http2.ping_timeout_ms", settings.keepalive_timeout_ms),
        ("grpc.keepalive_timeout_ms", settings.keepalive_timeout_ms),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        # The default waits up to two minutes before it looks for a restarted server. The second is also the time that
        # a connection has to come about.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 1_000),
        ("grpc.max_reconnect_backoff_ms", 250),
        # A connection of our own: its state is this process's only source of what became of the server.
        ("grpc.use_local_subchannel_pool", 1),
        # Whether and where a call is tried again is decided here (`shard_call`).
        ("grpc.enable_retries", 0),
    ]
    if credentials is None:
        return grpc.aio.insecure_channel(address, options=options)
    if settings.shard_tls_server_name is not None:
        options.append(("grpc.ssl_target_name_override", settings.shard_tls_server_name))
    return RenewableChannel(
        lambda: grpc.aio.secure_channel(address, credentials.of_channel(), options=options),
        retire_s=settings.retire_timeout_ms / 1000,
    )


def call_metadata() -> Metadata | None:
    """Returns what a call carries: the id of the request and the otel_span that is open, if there are any."""
    traced = telemetry.inject()
    current = request_id.current()
    if current is None:
        return traced or None
    return ((request_id.METADATA_KEY, current), *traced)
