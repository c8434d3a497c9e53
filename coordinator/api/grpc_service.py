"""Adds the coordinator's services to a gRPC server, so that a message that cannot be read is an error like any other.

gRPC itself answers UNKNOWN, which reads as a bug of the server and is retried by some clients.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import grpc

from protos.coordinator.v1 import coordinator_pb2_grpc


@dataclass(frozen=True, slots=True)
class Malformed:
    """Stands where a request would be that cannot be read."""

    reason: str


def add_coordinator_to_server(servicer: Any, server: Any) -> None:
    """Registers the methods of ``servicer``, of both services, as the generated functions do.

    They may be given a `Malformed` request. Serve takes it by name, with a server of its own.
    """
    registrar = cast(grpc.aio.Server, _Registrar(server))
    coordinator_pb2_grpc.add_CoordinatorServiceServicer_to_server(servicer, registrar)
    coordinator_pb2_grpc.add_AdminServiceServicer_to_server(servicer, registrar)


class _Registrar:
    """Stands where the generated code expects the server, and hands it changed handlers."""

    def __init__(self, server: Any):
        self._server = server

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Does nothing: the same handlers come by name."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """Hands them on, each with a reader that does not raise."""
        tolerant = {
            name: handler._replace(request_deserializer=_tolerant(handler.request_deserializer))
            for name, handler in handlers.items()
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, tolerant),))
        self._server.add_registered_method_handlers(service, tolerant)


def _tolerant(read: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def read_or_say(content: bytes) -> Any:
        try:
            return read(content)
        except Exception as error:  # whatever the protobuf library raises; it repeats no content
            return Malformed(f"the request cannot be read ({type(error).__name__}); it is no message of this method")

    return read_or_say
