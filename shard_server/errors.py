"""What can go wrong in serving a shard, the gRPC status that each fault becomes, and what the metrics call it.

ShardServerError
|-- ConfigError            the operator: the configuration names what is not there
|-- AddressInUseError      the operator: another process listens there
|-- DamagedFileError       the operator: a file of the index is not what was published
|-- TakedownStoreError     the operator: the list of takedowns on disk cannot be read or written
|-- TakedownsFailedError   the operator: the documents of a list of takedowns cannot be found
|-- WrongShardError        the operator: the caller's cluster file and this server do not agree on index or shard
|-- RequestLimitError      the caller: a request is over a limit of this server
|-- RequestTooLargeError   the caller: its request has more bytes than this server takes
|-- SlowRequestError       the caller: its request did not come in time
|-- NoRequestError         the caller: it ended, or gRPC refused, the call before there was a request
|-- EngineBrokeOffError    us: the engine broke off in the middle of a call, over a bug or over damage
|-- ServerLostError        us: the gRPC server ended by itself; the process must be started again
|-- DocumentMissingError   the caller: no such document, or nothing at that place in it
|-- StaleTakedownsError    the caller: it sent an older list of takedowns than the one that is kept
|-- ViewGoneError          nobody: documents were taken down between the two rounds of a trace, search again
|-- StoppingError          nobody: the server stops, try another replica
|-- OverloadedError        nobody: the queue is full, try another replica or later
`-- DeadlineError          nobody: the caller's time ran out before the work began
"""

from collections.abc import Mapping

import grpc

from suffix_engine import (
    DocumentWithheldError,
    EngineError,
    InvalidQueryError,
    ShardCorruptError,
    ShardFormatError,
)


class ShardServerError(Exception):
    """The base of what a shard server raises."""


class ConfigError(ShardServerError):
    """The configuration names what is not there."""


class AddressInUseError(ShardServerError):
    """The address to listen on cannot be bound."""


class DamagedFileError(ShardServerError):
    """The content of a file is not what its manifest says."""


class TakedownStoreError(ShardServerError):
    """The list of takedowns cannot be read from disk, or written to it."""


class TakedownsFailedError(ShardServerError):
    """The documents that takedowns concern cannot be found; the list is not obeyed."""


class StaleTakedownsError(ShardServerError):
    """The caller sent an older list of takedowns than the one that is kept."""


class ViewGoneError(ShardServerError):
    """The caller's ranks are of a view of the shard that is not kept any more."""


class StoppingError(ShardServerError):
    """The server stops and broke the work off."""


class WrongShardError(ShardServerError):
    """The caller means another index, or a shard that this server does not hold."""


class RequestLimitError(ShardServerError):
    """A request is over a limit of this server."""


class RequestTooLargeError(ShardServerError):
    """A request has more bytes than this server takes of its kind."""


class SlowRequestError(ShardServerError):
    """The caller opened a call and did not send its request in time."""


class NoRequestError(ShardServerError):
    """The call ended before there was a request: its caller went, or gRPC refused the message."""


class EngineBrokeOffError(ShardServerError):
    """The engine broke off (a panic); its own message is in the log."""


class ServerLostError(ShardServerError):
    """The gRPC server ended and could not be started again."""


class DocumentMissingError(ShardServerError):
    """There is no such document, or it ends before the place that was asked for."""


class OverloadedError(ShardServerError):
    """The queue is full."""


class DeadlineError(ShardServerError):
    """The caller's deadline passed before the work began."""


# The status of every fault; a subclass that is not listed takes that of its nearest base.
STATUS: Mapping[type[Exception], grpc.StatusCode] = {
    EngineError: grpc.StatusCode.INTERNAL,
    InvalidQueryError: grpc.StatusCode.INVALID_ARGUMENT,
    DocumentWithheldError: grpc.StatusCode.NOT_FOUND,
    ShardFormatError: grpc.StatusCode.DATA_LOSS,
    ShardCorruptError: grpc.StatusCode.DATA_LOSS,
    ShardServerError: grpc.StatusCode.INTERNAL,
    ConfigError: grpc.StatusCode.FAILED_PRECONDITION,
    AddressInUseError: grpc.StatusCode.FAILED_PRECONDITION,
    DamagedFileError: grpc.StatusCode.DATA_LOSS,
    TakedownStoreError: grpc.StatusCode.INTERNAL,
    TakedownsFailedError: grpc.StatusCode.INTERNAL,
    StaleTakedownsError: grpc.StatusCode.FAILED_PRECONDITION,
    ViewGoneError: grpc.StatusCode.FAILED_PRECONDITION,
    StoppingError: grpc.StatusCode.UNAVAILABLE,
    WrongShardError: grpc.StatusCode.FAILED_PRECONDITION,
    RequestLimitError: grpc.StatusCode.INVALID_ARGUMENT,
    RequestTooLargeError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    SlowRequestError: grpc.StatusCode.DEADLINE_EXCEEDED,
    NoRequestError: grpc.StatusCode.INVALID_ARGUMENT,
    EngineBrokeOffError: grpc.StatusCode.INTERNAL,
    ServerLostError: grpc.StatusCode.INTERNAL,
    DocumentMissingError: grpc.StatusCode.NOT_FOUND,
    OverloadedError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    DeadlineError: grpc.StatusCode.DEADLINE_EXCEEDED,
}

# Why a call was refused before the engine was asked, as the metrics say it.
REFUSALS: Mapping[type[Exception], str] = {
    OverloadedError: "queue_full",
    DeadlineError: "deadline",
    SlowRequestError: "slow_request",
    NoRequestError: "no_request",
    RequestLimitError: "limit",
    RequestTooLargeError: "limit",
    WrongShardError: "wrong_shard",
    ViewGoneError: "view_gone",
    StaleTakedownsError: "stale_takedowns",
    DamagedFileError: "damaged_file",
}


def status_of(error: EngineError | ShardServerError) -> grpc.StatusCode:
    """Returns the gRPC status that ``error`` is answered with."""
    return next(STATUS[cls] for cls in type(error).__mro__ if cls in STATUS)
