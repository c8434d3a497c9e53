"""What a request that fails is answered with over HTTP: problems as in RFC 9457."""

import json
import logging
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import grpc
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from coordinator.api import caller
from coordinator.api.http_models import TOO_MANY_FIELDS
from coordinator.api.status import FAULTS, told
from coordinator.errors import CoordinatorError, InvalidRequestError, RequestTooLargeError
from coordinator.request_record import end_record

_log = logging.getLogger(__name__)

PROBLEM_MEDIA_TYPE = "application/problem+json"
_MAX_SHOWN_CHARS = 100
_MAX_FAULTS = 8

# What gRPC would call a fault that only HTTP has.
_CODES = {
    HTTPStatus.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED: grpc.StatusCode.UNIMPLEMENTED,
    HTTPStatus.REQUEST_TIMEOUT: grpc.StatusCode.CANCELLED,  # the client's doing, not the time of an answer
}


def problem_of(error: Exception) -> dict[str, Any]:
    """Returns the problem that tells an error; of a bug of ours, which is logged here, only that it was one."""
    if not isinstance(error, CoordinatorError):
        _log.error("request failed", exc_info=error)
    what = told(error)
    end_record(what.fault.grpc_status.name)
    problem: dict[str, Any] = {
        "type": what.fault.problem,
        "title": what.fault.title,
        "status": what.fault.http_status.value,
        "detail": what.message,
        "request_id": caller.current().request_id,
    }
    if what.retry_after_s is not None:
        problem["retry_after_s"] = what.retry_after_s
    if what.field:
        problem["errors"] = [{"detail": what.message, "pointer": _pointer(what.field.split("."))}]
    return problem


def respond(problem: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """Returns the response that holds a problem."""
    headers = dict(headers or {})
    if (retry_after_s := problem.get("retry_after_s")) is not None:
        headers["retry-after"] = str(max(1, math.ceil(retry_after_s)))  # the header knows whole seconds only
    if problem["status"] == HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = 'Bearer realm="headwater"'
    return Response(json.dumps(problem), problem["status"], headers, media_type=PROBLEM_MEDIA_TYPE)


def add_error_handlers(api: FastAPI) -> None:
    """Makes every error that leaves a route of ``api`` a problem; see `RequestEdge` for bugs."""

    @api.exception_handler(CoordinatorError)
    async def on_coordinator_error(request: Request, error: CoordinatorError) -> Response:
        problem = problem_of(error)
        if request.method == "GET":
            problem.pop("errors", None)  # they point into a body
        return respond(problem)

    @api.exception_handler(RequestValidationError)
    async def on_invalid_request(request: Request, error: RequestValidationError) -> Response:
        content_type = request.headers.get("content-type")
        faults = [(fault, _advice(fault, content_type)) for fault in error.errors()[:_MAX_FAULTS]]
        problem = _not_as_described("; ".join(advice for _, advice in faults))
        named = [
            {"detail": advice, "pointer": _pointer(fault["loc"][1:])}
            for fault, advice in faults
            if fault["loc"][0] == "body" and len(fault["loc"]) > 1 and fault["type"] != "json_invalid"
        ]
        return respond(problem | ({"errors": named} if named else {}))

    @api.exception_handler(HTTPException)
    async def on_http_error(_request: Request, error: HTTPException) -> Response:
        if isinstance(error.__cause__, CoordinatorError):  # of `BodyLimit`, while the framework read a body
            return respond(problem_of(error.__cause__))
        status = HTTPStatus(error.status_code)
        if status is HTTPStatus.BAD_REQUEST:
            # The framework's for a body that its JSON reader gives up on without a position.
            return respond(_not_as_described("body is not valid JSON: expected UTF-8 text and no deep nesting"))
        if status is FAULTS[RequestTooLargeError].http_status:
            return respond(problem_of(RequestTooLargeError(str(error.detail))))
        end_record(_CODES.get(status, grpc.StatusCode.UNKNOWN).name)
        return respond(blank_problem(status, str(error.detail)), error.headers)


def blank_problem(status: HTTPStatus, detail: str = "") -> dict[str, Any]:
    """Returns the problem of what no error of ours stands for: an unknown path, a wrong method."""
    return {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": detail or status.phrase,
        "request_id": caller.current().request_id,
    }


def _not_as_described(detail: str) -> dict[str, Any]:
    return problem_of(InvalidRequestError(detail)) | {"title": "The request is not as described in /openapi.json"}


def _pointer(path: Sequence[str | int]) -> str:
    """Returns a JSON pointer into the body, as RFC 9457 shows it: ``#/options/seed``."""
    return "#/" + "/".join(_shown(part).replace("~", "~0").replace("/", "~1") for part in path)


def _shown(part: str | int) -> str:
    """Returns one step into a body; a name that is none of ours may have any length."""
    return str(part)[:_MAX_SHOWN_CHARS]


def _advice(fault: Mapping[str, Any], content_type: str | None) -> str:
    """Returns what is wrong with a request and what to do. What was sent is left out: a problem repeats no content."""
    if fault["type"] == "json_invalid":
        return f"body is not valid JSON, near character {fault['loc'][-1]}: {fault['ctx']['error']}"
    if tuple(fault["loc"]) != ("body",) or fault["type"] == TOO_MANY_FIELDS:
        return f"{'.'.join(map(_shown, fault['loc']))}: {fault['msg']}"
    if fault["type"] == "missing":
        return "body is empty, expected a JSON object; send it with Content-Type: application/json"
    if isinstance(fault["input"], bytes):
        found = "no content type" if content_type is None else f"content type {content_type[:_MAX_SHOWN_CHARS]!r}"
        return f"body has {found}, expected JSON; send Content-Type: application/json"
    return "body is JSON but not an object, expected an object like {...}"
