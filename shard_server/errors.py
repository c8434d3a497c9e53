"""What can go wrong in serving a shard, and the gRPC status that each fault becomes.

ShardServerError
|-- ConfigError            the operator: the configuration is wrong, or names what is not there
|-- AddressInUseError      the operator: another process listens there
|-- WrongShardError        the operator: the caller's placement and this server do not agree on index or shard
|-- RequestLimitError      the caller: a request is over a limit of this server
|-- DocumentMissingError   the caller: no such document, or nothing at that place in it
|-- OverloadedError        nobody: the queue is full, try another replica or later
|-- DeadlineError          nobody: the caller's time ran out before the work began
`-- CallerGoneError        nobody: the caller cancelled before the work began
"""

from collections.abc import Mapping

import grpc

from suffix_engine import EngineError, InvalidQueryError, ShardCorruptError, ShardFormatError


class ShardServerError(Exception):
    """The base of what a shard server raises."""


class ConfigError(ShardServerError):
    """The configuration is wrong, or names what is not there."""


class AddressInUseError(ShardServerError):
    """The address to listen on cannot be bound."""


class WrongShardError(ShardServerError):
    """The caller means another index, or a shard that this server does not hold."""


class RequestLimitError(ShardServerError):
    """A request is over a limit of this server."""


class DocumentMissingError(ShardServerError):
    """There is no such document, or it ends before the place that was asked for."""


class OverloadedError(ShardServerError):
    """The queue is full."""


class DeadlineError(ShardServerError):
    """The caller's deadline passed before the work began."""


class CallerGoneError(ShardServerError):
    """The caller cancelled the call before the work began."""


# The status of every fault; a subclass that is not listed takes that of its nearest base.
STATUS: Mapping[type[Exception], grpc.StatusCode] = {
    EngineError: grpc.StatusCode.INTERNAL,
    InvalidQueryError: grpc.StatusCode.INVALID_ARGUMENT,
    ShardFormatError: grpc.StatusCode.DATA_LOSS,
    ShardCorruptError: grpc.StatusCode.DATA_LOSS,
    ShardServerError: grpc.StatusCode.INTERNAL,
    ConfigError: grpc.StatusCode.FAILED_PRECONDITION,
    AddressInUseError: grpc.StatusCode.FAILED_PRECONDITION,
    WrongShardError: grpc.StatusCode.FAILED_PRECONDITION,
    RequestLimitError: grpc.StatusCode.INVALID_ARGUMENT,
    DocumentMissingError: grpc.StatusCode.NOT_FOUND,
    OverloadedError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    DeadlineError: grpc.StatusCode.DEADLINE_EXCEEDED,
    CallerGoneError: grpc.StatusCode.CANCELLED,
}


def status_of(error: EngineError | ShardServerError) -> grpc.StatusCode:
    """Returns the gRPC status that ``error`` is answered with."""
    return next(STATUS[cls] for cls in type(error).__mro__ if cls in STATUS)
