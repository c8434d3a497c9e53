"""The HTTP/JSON face of a coordinator, as an ASGI application. Errors are problems as in RFC 9457."""

import json
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from coordinator.body_limit import BodyLimit
from coordinator.errors import CoordinatorError
from coordinator.http_models import CountBody, TraceBody, response_schemas
from coordinator.json_codec import dumps, parse_document_id
from coordinator.service import Coordinator
from coordinator.status import INTERNAL, fault_of
from coordinator.values import TraceRequest

_log = logging.getLogger(__name__)

TimeoutMs = Annotated[int, Query(ge=0, description="Time to answer in; 0: the server's default.")]


def create_api(coordinator: Callable[[], Coordinator], max_body_bytes: Callable[[], int]) -> FastAPI:
    """Returns the application. Both arguments are called at each request: Serve builds it before them."""
    api = FastAPI(
        title="Headwater",
        summary="Traces what a language model wrote back to the documents it was trained on.",
        docs_url="/docs",
        redoc_url=None,
    )
    api.add_middleware(BodyLimit, max_body_bytes=max_body_bytes)
    _add_routes(api, coordinator)
    _add_error_handlers(api)
    _describe_responses(api)
    return api


def _add_routes(api: FastAPI, coordinator: Callable[[], Coordinator]) -> None:
    @api.post("/v1/trace", responses=_responses("Trace"))
    async def trace(body: TraceBody) -> Response:
        """Finds the passages of an answer that occur word for word in the corpus, and their documents."""
        request = TraceRequest(body.answer, body.prompt, body.options.to_options())
        return _json(await coordinator().trace(request, body.timeout_ms))

    @api.post("/v1/count", responses=_responses("Count"))
    async def count(body: CountBody) -> Response:
        """Counts the occurrences of a text."""
        return _json(await coordinator().count(body.text, body.timeout_ms))

    @api.get("/v1/documents/{document}", responses=_responses("DocumentText"))
    async def get_document(
        document: str,
        start: Annotated[int, Query(ge=0, description="First token wanted.")] = 0,
        max_tokens: Annotated[int, Query(ge=0, description="Most tokens; 0: the server's most.")] = 0,
        timeout_ms: TimeoutMs = 0,
    ) -> Response:
        """Returns a run of tokens of one document, as text. A document is named ``shard:number``."""
        id_ = parse_document_id(document)
        return _json(await coordinator().get_document(id_, start, max_tokens, timeout_ms))

    @api.get("/v1/describe", responses=_responses("IndexDescription"))
    async def describe(timeout_ms: TimeoutMs = 0) -> Response:
        """Returns what is served, and the limits on a request."""
        return _json(await coordinator().describe(timeout_ms))

    @api.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Says that the coordinator runs; `describe` says what it reaches."""
        return {"status": "serving"}


def _add_error_handlers(api: FastAPI) -> None:
    @api.exception_handler(CoordinatorError)
    async def on_coordinator_error(_request: Request, error: CoordinatorError) -> Response:
        fault = fault_of(error)
        return problem(fault.http_status, fault.problem, fault.title, str(error))

    @api.exception_handler(RequestValidationError)
    async def on_invalid_body(_request: Request, error: RequestValidationError) -> Response:
        # What was sent is left out: a problem never repeats content.
        faults = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        title = "The request is not as described in /docs"
        return problem(HTTPStatus.BAD_REQUEST, "invalid-request", title, faults)

    @api.exception_handler(HTTPException)
    async def on_http_error(_request: Request, error: HTTPException) -> Response:
        status = HTTPStatus(error.status_code)
        return problem(status, "about:blank", status.phrase, str(error.detail))

    @api.exception_handler(Exception)
    async def on_bug(_request: Request, error: Exception) -> Response:
        _log.error("request failed", exc_info=error)
        return problem(INTERNAL.http_status, INTERNAL.problem, INTERNAL.title, "its log says why")


def problem(status: HTTPStatus, kind: str, title: str, detail: str) -> Response:
    """Returns a problem (RFC 9457)."""
    content = {"type": kind, "title": title, "status": status.value, "detail": detail}
    return Response(json.dumps(content), status, media_type="application/problem+json")


def _json(value: Any) -> Response:
    return Response(dumps(value, indent=None), media_type="application/json")


def _responses(name: str) -> dict[int | str, dict[str, Any]]:
    schema = {"$ref": f"#/components/schemas/{name}"}
    return {200: {"description": name, "content": {"application/json": {"schema": schema}}}}


def _describe_responses(api: FastAPI) -> None:
    """Adds the schemas of the responses to the OpenAPI page, made when it is first asked for."""
    make_page = api.openapi

    def openapi() -> dict[str, Any]:
        if api.openapi_schema is None:
            make_page().setdefault("components", {}).setdefault("schemas", {}).update(response_schemas())
        assert api.openapi_schema is not None
        return api.openapi_schema

    api.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the page
