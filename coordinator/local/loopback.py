"""Keeps the gRPC ports of Serve's replicas and of its spare proxy to this machine; what others may reach is HAProxy.

Serve binds them on every interface and has no setting for it: whoever reached them would pass by HAProxy and its TLS.
"""

from typing import Any

SETUP_HOOK = f"{__name__}.keep_grpc_to_loopback"
"""The name by which Ray calls `keep_grpc_to_loopback` in each of its processes before anything is served."""


def keep_grpc_to_loopback() -> None:
    """Has Serve bind gRPC on loopback in this process, from now on."""
    from ray.serve._private import default_impl

    bind = default_impl.add_grpc_address

    def bind_on_loopback(grpc_server: Any, server_address: str) -> None:
        bind(grpc_server, server_address.replace("[::]", "127.0.0.1"))

    default_impl.add_grpc_address = bind_on_loopback
