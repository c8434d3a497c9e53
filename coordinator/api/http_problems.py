"""What a request that fails is answered with over HTTP: problems as in RFC 9457, and their OpenAPI description."""

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from coordinator.api.status import INTERNAL, fault_of
from coordinator.errors import CoordinatorError

_log = logging.getLogger(__name__)

PROBLEM_MEDIA_TYPE = "application/problem+json"
PROBLEM_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "Why a request was not answered (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "Which error: stable, to tell them apart by."},
        "title": {"type": "string", "description": "The error in words, the same for each of its type."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": {"type": "string", "description": "What was wrong with this request, and what to do."},
    },
}
_MAX_HEADER_CHARS = 100


def problem(status: HTTPStatus, kind: str, title: str, detail: str) -> Response:
    """Returns a problem."""
    content = {"type": kind, "title": title, "status": status.value, "detail": detail}
    return Response(json.dumps(content), status, media_type=PROBLEM_MEDIA_TYPE)


def problem_responses(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """Returns the OpenAPI responses of a route that can answer with problems of these statuses."""
    content = {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status.value: {"description": status.phrase, "content": content} for status in statuses}


def add_error_handlers(api: FastAPI) -> None:
    """Makes every error that leaves a route of ``api`` a problem."""

    @api.exception_handler(CoordinatorError)
    async def on_coordinator_error(_request: Request, error: CoordinatorError) -> Response:
        fault = fault_of(error)
        return problem(fault.http_status, fault.problem, fault.title, str(error))

    @api.exception_handler(RequestValidationError)
    async def on_invalid_request(request: Request, error: RequestValidationError) -> Response:
        content_type = request.headers.get("content-type")
        return _invalid_request("; ".join(_advice(each, content_type) for each in error.errors()))

    @api.exception_handler(HTTPException)
    async def on_http_error(_request: Request, error: HTTPException) -> Response:
        status = HTTPStatus(error.status_code)
        if status is HTTPStatus.BAD_REQUEST:
            # The framework's for a body that its JSON reader gives up on without a position.
            return _invalid_request("body is not valid JSON: expected UTF-8 text and no deep nesting")
        return problem(status, "about:blank", status.phrase, str(error.detail))

    @api.exception_handler(Exception)
    async def on_bug(_request: Request, error: Exception) -> Response:
        _log.error("request failed", exc_info=error)
        return problem(INTERNAL.http_status, INTERNAL.problem, INTERNAL.title, "its log says why")


def _invalid_request(detail: str) -> Response:
    title = "The request is not as described in /openapi.json"
    return problem(HTTPStatus.BAD_REQUEST, "invalid-request", title, detail)


def _advice(fault: Mapping[str, Any], content_type: str | None) -> str:
    """Returns what is wrong with a request and what to do. What was sent is left out: a problem repeats no content."""
    if fault["type"] == "json_invalid":
        return f"body is not valid JSON, near character {fault['loc'][-1]}: {fault['ctx']['error']}"
    if tuple(fault["loc"]) != ("body",):
        return f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
    if fault["type"] == "missing":
        return "body is empty, expected a JSON object; send it with Content-Type: application/json"
    if isinstance(fault["input"], bytes):
        found = "no content type" if content_type is None else f"content type {content_type[:_MAX_HEADER_CHARS]!r}"
        return f"body has {found}, expected JSON; send Content-Type: application/json"
    return "body is JSON but not an object, expected an object like {...}"
