"""What each of the coordinator's errors is answered with, over gRPC and over HTTP: one table."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import grpc

from coordinator.errors import (
    BudgetSpentError,
    ConfigurationError,
    CoordinatorError,
    DocumentNotFoundError,
    GenerationGoneError,
    IncompleteAnswerError,
    InvalidRequestError,
    NoShardAnsweredError,
    OverloadedError,
    PermissionDeniedError,
    RateLimitedError,
    RequestTooLargeError,
    ShardUnavailableError,
    UnauthenticatedError,
    ViewChangedError,
    WindowMismatchError,
)

DOMAIN = "headwater"
"""The domain of ``google.rpc.ErrorInfo``: whose reasons they are."""

# A server that went away is back, or its shard is held by another, about then.
_UNAVAILABLE_RETRY_S = 1.0

# Both faces send a message in a header, gRPC twice and escaped to up to three times its size; headers have 8 kB.
_MOST_MESSAGE_BYTES = 1_000


@dataclass(frozen=True, slots=True)
class Fault:
    """How an error is told: a gRPC status; and an HTTP status, type and title of a problem (RFC 9457).

    ``retry_after_s`` is when to come back where that helps and the error itself does not say.
    """

    grpc_status: grpc.StatusCode
    http_status: HTTPStatus
    problem: str
    title: str
    retry_after_s: float | None = None

    @property
    def reason(self) -> str:
        """The problem as gRPC spells it: the reason of ``google.rpc.ErrorInfo``."""
        return self.problem.upper().replace("-", "_")


INTERNAL = Fault(grpc.StatusCode.INTERNAL, HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "The coordinator failed")

# A subclass that is not listed takes the fault of its nearest base.
FAULTS: Mapping[type[CoordinatorError], Fault] = {
    CoordinatorError: INTERNAL,
    InvalidRequestError: Fault(
        grpc.StatusCode.INVALID_ARGUMENT,
        HTTPStatus.BAD_REQUEST,
        "invalid-request",
        "The request cannot be answered as it is",
    ),
    RequestTooLargeError: Fault(
        grpc.StatusCode.INVALID_ARGUMENT,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "request-too-large",
        "The request, or the answer to it, is too large",
    ),
    UnauthenticatedError: Fault(
        grpc.StatusCode.UNAUTHENTICATED, HTTPStatus.UNAUTHORIZED, "unauthenticated", "A valid API key is needed"
    ),
    PermissionDeniedError: Fault(
        grpc.StatusCode.PERMISSION_DENIED, HTTPStatus.FORBIDDEN, "permission-denied", "The key is not for this"
    ),
    DocumentNotFoundError: Fault(
        grpc.StatusCode.NOT_FOUND, HTTPStatus.NOT_FOUND, "document-not-found", "There is no such document"
    ),
    GenerationGoneError: Fault(
        grpc.StatusCode.FAILED_PRECONDITION,
        HTTPStatus.CONFLICT,
        "generation-gone",
        "The document is of an index that is not served any more",
    ),
    ShardUnavailableError: Fault(
        grpc.StatusCode.UNAVAILABLE,
        HTTPStatus.SERVICE_UNAVAILABLE,
        "shard-unavailable",
        "The shard that holds this does not answer",
        _UNAVAILABLE_RETRY_S,
    ),
    WindowMismatchError: Fault(
        grpc.StatusCode.UNAVAILABLE,
        HTTPStatus.SERVICE_UNAVAILABLE,
        "window-mismatch",
        "The shard that holds this is damaged",
        _UNAVAILABLE_RETRY_S,
    ),
    ViewChangedError: Fault(
        grpc.StatusCode.UNAVAILABLE,
        HTTPStatus.SERVICE_UNAVAILABLE,
        "takedowns-changed",
        "Documents were taken down while the request was answered",
        _UNAVAILABLE_RETRY_S,
    ),
    NoShardAnsweredError: Fault(
        grpc.StatusCode.UNAVAILABLE,
        HTTPStatus.SERVICE_UNAVAILABLE,
        "no-shard-answered",
        "No shard answered",
        _UNAVAILABLE_RETRY_S,
    ),
    IncompleteAnswerError: Fault(
        grpc.StatusCode.UNAVAILABLE,
        HTTPStatus.SERVICE_UNAVAILABLE,
        "incomplete-answer",
        "A shard did not answer, and a complete answer was required",
        _UNAVAILABLE_RETRY_S,
    ),
    OverloadedError: Fault(
        grpc.StatusCode.RESOURCE_EXHAUSTED, HTTPStatus.TOO_MANY_REQUESTS, "overloaded", "Too many requests at once"
    ),
    RateLimitedError: Fault(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        HTTPStatus.TOO_MANY_REQUESTS,
        "rate-limited",
        "This client has asked for more than its share",
    ),
    BudgetSpentError: Fault(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        HTTPStatus.TOO_MANY_REQUESTS,
        "budget-spent",
        "This key has been shown as much text as it may",
    ),
    ConfigurationError: Fault(
        grpc.StatusCode.FAILED_PRECONDITION,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "configuration",
        "Cluster file, indexes and shards do not agree",
    ),
}


@dataclass(frozen=True, slots=True)
class Told:
    """One error as it is told to the caller.

    Attributes:
        fault: Its row of the table.
        message: What was wrong and what to do; never empty.
        retry_after_s: When to come back, in seconds from now; None if that would not help.
        field: The one field of the request that is at fault, as a path like ``options.seed``; else empty.
    """

    fault: Fault
    message: str
    retry_after_s: float | None = None
    field: str = ""


def fault_of(error: CoordinatorError) -> Fault:
    """Returns how ``error`` is told."""
    return next(FAULTS[cls] for cls in type(error).__mro__ if cls in FAULTS)


def told(error: Exception) -> Told:
    """Returns what a caller is told of an error; of one that is none of ours, a bug, only that it was one."""
    if not isinstance(error, CoordinatorError):
        return Told(INTERNAL, f"{INTERNAL.title}; its log says why")
    fault = fault_of(error)
    retry_after_s = error.retry_after_s if isinstance(error, OverloadedError) else fault.retry_after_s
    field = error.field if isinstance(error, InvalidRequestError) else ""
    return Told(fault, _cut(str(error)) or fault.title, retry_after_s, field)


def _cut(message: str) -> str:
    """Returns a message short enough for a header, and without what no header or JSON holds."""
    encoded = message.encode(errors="replace")
    if len(encoded) > _MOST_MESSAGE_BYTES:
        return encoded[:_MOST_MESSAGE_BYTES].decode(errors="ignore") + " ..."
    return encoded.decode()
