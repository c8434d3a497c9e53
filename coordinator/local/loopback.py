"""What Serve has no setting for in the processes that serve gRPC: where they listen, and how much a caller may send.

Serve binds replicas and its spare proxy on every interface: whoever reached them would pass by HAProxy and its TLS. And
it knows one size for answers, which are large, and for requests, which whoever has no key sends, too.
"""

from typing import Any

# So that a request that is a little too large gets our answer, which says the limit.
_OVER_BYTES = 2 * 1024 * 1024
_MAX_RECEIVE = "grpc.max_receive_message_length"

SETUP_HOOK = f"{__name__}.keep_grpc_to_loopback"
"""The name by which Ray calls `keep_grpc_to_loopback` in each of its processes before anything is served."""


def keep_grpc_to_loopback() -> None:
    """Has Serve bind gRPC on loopback in this process, from now on."""
    from ray.serve._private import default_impl

    bind = default_impl.add_grpc_address

    def bind_on_loopback(grpc_server: Any, server_address: str) -> None:
        bind(grpc_server, server_address.replace("[::]", "127.0.0.1"))

    default_impl.add_grpc_address = bind_on_loopback


def bound_requests(max_bytes: int) -> None:
    """Has the gRPC servers that Serve makes in this process from now on take requests of some more than ``max_bytes``.

    What is larger gets RESOURCE_EXHAUSTED from gRPC, which drops it as soon as it has seen its length.
    """
    from ray.serve._private import constants

    others = [option for option in constants.DEFAULT_GRPC_SERVER_OPTIONS if option[0] != _MAX_RECEIVE]
    # In place: who makes the servers has the list already.
    constants.DEFAULT_GRPC_SERVER_OPTIONS[:] = [*others, (_MAX_RECEIVE, max_bytes + _OVER_BYTES)]
