"""Errors as gRPC statuses with details (google.rpc.Status), and back: what a caller is told is what its client raises.

The details are ErrorInfo (which error), RequestInfo (the request's id), RetryInfo (when to come back, where that helps)
and BadRequest (which field, where there is one).
"""

from collections.abc import Iterable
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from coordinator.api.status import DOMAIN, FAULTS, Told
from coordinator.errors import CoordinatorError, InvalidRequestError, OverloadedError

# Where gRPC libraries of every language look for the details.
DETAILS_KEY = "grpc-status-details-bin"

# Tells gRPC's own retries to let it be: the coordinator has tried every replica, and the caller decides when to return.
_NO_RETRY = ("grpc-retry-pushback-ms", "-1")

_ERRORS = {fault.reason: error for error, fault in FAULTS.items()}


def trailing_metadata(told: Told, request_id: str) -> list[tuple[str, str | bytes]]:
    """Returns the metadata that goes with the status of a failed call, besides the request's id."""
    details = [
        error_details_pb2.ErrorInfo(reason=told.fault.reason, domain=DOMAIN),
        error_details_pb2.RequestInfo(request_id=request_id),
    ]
    if told.retry_after_s is not None:
        delay = Duration()
        delay.FromMilliseconds(round(told.retry_after_s * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    if told.field:
        violation = error_details_pb2.BadRequest.FieldViolation(field=told.field, description=told.message)
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    status = status_pb2.Status(
        code=told.fault.grpc_status.value[0], message=told.message, details=map(_packed, details)
    )
    return [(DETAILS_KEY, status.SerializeToString()), _NO_RETRY]


def error_of(call: grpc.Call) -> CoordinatorError | None:
    """Returns the error that a coordinator told by a failed call; None if the call's status is not a coordinator's."""
    status = _status_of(call.trailing_metadata() or ())
    if status is None:
        return None
    told, request, retry, bad = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.RequestInfo(),
        error_details_pb2.RetryInfo(),
        error_details_pb2.BadRequest(),
    )
    for detail in status.details:
        for message in (told, request, retry, bad):
            detail.Unpack(message)
    if told.domain != DOMAIN or told.reason not in _ERRORS:
        return None
    kind = _ERRORS[told.reason]
    error: CoordinatorError
    if issubclass(kind, OverloadedError):
        error = kind(status.message, retry.retry_delay.ToMilliseconds() / 1000)
    elif issubclass(kind, InvalidRequestError):
        error = kind(status.message, bad.field_violations[0].field if bad.field_violations else "")
    else:
        error = kind(status.message)
    error.request_id = request.request_id
    return error


def _status_of(metadata: Iterable[tuple[str, Any]]) -> status_pb2.Status | None:
    for key, value in metadata:
        if key == DETAILS_KEY and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                return None
    return None


def _packed(detail: Any) -> Packed:
    packed = Packed()
    packed.Pack(detail)
    return packed
