"""Adds the coordinator's services to a gRPC server, so that requests are read by us, after the gate, and not by gRPC.

gRPC would make messages of the bytes of whoever sends some: of 60 MB of empty fields, without any key, gigabytes. And
to a message that cannot be read it answers UNKNOWN, which reads as a bug of the server and is retried by some clients.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import uuid4

import grpc
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from coordinator.errors import InvalidRequestError, RequestTooLargeError
from protos.coordinator.v1 import coordinator_pb2 as pb
from protos.coordinator.v1 import coordinator_pb2_grpc

_REQUESTS: Mapping[str, type[Message]] = {
    method.name: GetMessageClass(method.input_type)
    for service in pb.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}


_THIS_PROCESS = uuid4().hex


@dataclass(frozen=True, slots=True)
class Unread:
    """Stands where a request would be: its bytes, as they came to the process ``taken_by``."""

    content: bytes
    taken_by: str = field(default_factory=lambda: _THIS_PROCESS)

    @property
    def is_relayed(self) -> bool:
        """Whether a proxy of Serve took it and relays the answer; HAProxy does not, except where no replica is up."""
        return self.taken_by != _THIS_PROCESS

    def read(self, method: str, max_bytes: int) -> Any:
        """Returns the request.

        Raises:
            RequestTooLargeError: it has more than ``max_bytes``; it is not looked at.
            InvalidRequestError: it is no message of the method.
        """
        if len(self.content) > max_bytes:
            raise RequestTooLargeError(f"request has {len(self.content)} bytes, the limit is {max_bytes}")
        try:
            return _REQUESTS[method].FromString(self.content)
        except Exception as error:  # whatever the protobuf library raises; it repeats no content
            raise InvalidRequestError(
                f"the request cannot be read ({type(error).__name__}); it is no message of this method"
            ) from None


def add_coordinator_to_server(servicer: Any, server: Any) -> None:
    """Registers the methods of ``servicer``, of both services, as the generated functions do.

    They are given `Unread` requests. Serve takes it by name, with a server of its own.
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
        """Hands them on, each with a reader that reads nothing."""
        unread = {name: handler._replace(request_deserializer=Unread) for name, handler in handlers.items()}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, unread),))
        self._server.add_registered_method_handlers(service, unread)
