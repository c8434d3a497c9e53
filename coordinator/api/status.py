"""What each of the coordinator's errors is answered with, over gRPC and over HTTP: one table."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import grpc

from coordinator.errors import (
    ConfigurationError,
    CoordinatorError,
    DocumentNotFoundError,
    IncompleteAnswerError,
    InvalidRequestError,
    NoShardAnsweredError,
    OverloadedError,
    RateLimitedError,
    ShardUnavailableError,
)


@dataclass(frozen=True, slots=True)
class Fault:
    """How an error is told: a gRPC status; and an HTTP status, type and title of a problem (RFC 9457)."""

    grpc_status: grpc.StatusCode
    http_status: HTTPStatus
    problem: str
    title: str


# Key of the trailing metadata of a failed call that holds the problem.
PROBLEM_METADATA = "headwater-problem"

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
    DocumentNotFoundError: Fault(
        grpc.StatusCode.NOT_FOUND, HTTPStatus.NOT_FOUND, "document-not-found", "There is no such document"
    ),
    ShardUnavailableError: Fault(
        grpc.StatusCode.UNAVAILABLE,
        HTTPStatus.SERVICE_UNAVAILABLE,
        "shard-unavailable",
        "The shard that holds this does not answer",
    ),
    NoShardAnsweredError: Fault(
        grpc.StatusCode.UNAVAILABLE, HTTPStatus.SERVICE_UNAVAILABLE, "no-shard-answered", "No shard answered"
    ),
    IncompleteAnswerError: Fault(
        grpc.StatusCode.UNAVAILABLE,
        HTTPStatus.SERVICE_UNAVAILABLE,
        "incomplete-answer",
        "A shard did not answer, and a complete answer was required",
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
    ConfigurationError: Fault(
        grpc.StatusCode.FAILED_PRECONDITION,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "configuration",
        "Placement, index and shards do not agree",
    ),
}


def fault_of(error: CoordinatorError) -> Fault:
    """Returns how ``error`` is told."""
    return next(FAULTS[cls] for cls in type(error).__mro__ if cls in FAULTS)
