"""The HTTP/JSON face of a coordinator, as an ASGI application. Errors are problems as in RFC 9457."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated

from fastapi import FastAPI, Path, Query
from fastapi.responses import Response

from coordinator.api import openapi
from coordinator.api.body_limit import BODY_TIMEOUT_S, BodyLimit
from coordinator.api.http_admin import add_admin_calls
from coordinator.api.http_answers import json_response
from coordinator.api.http_edge import READER_TIMEOUT_S, RequestEdge
from coordinator.api.http_events import TRACE_STREAM, event_stream
from coordinator.api.http_models import CountBody, TimeoutMs, TraceBody
from coordinator.api.http_problems import add_error_handlers
from coordinator.api.json_codec import dumps, parse_document_id
from coordinator.requests import CountRequest, TraceRequest
from coordinator.service import Coordinator


def create_api(
    coordinator: Callable[[], Coordinator],
    max_body_bytes: Callable[[], int],
    *,
    echoes_request_id: bool = True,
    body_timeout_s: float = BODY_TIMEOUT_S,
    reader_timeout_s: float = READER_TIMEOUT_S,
) -> FastAPI:
    """Returns the application. Both functions are called at each request: Serve builds it before them.

    ``body_timeout_s`` is the time that a client has to send a body, ``reader_timeout_s`` that to take the next part of
    an answer.
    ``echoes_request_id`` is for servers that do not put the request's id into the answer's headers themselves.
    """
    api = FastAPI(
        title="Headwater",
        version="1",
        summary="Traces what a language model wrote back to the documents it was trained on.",
        # The pages that FastAPI makes of /openapi.json load their scripts from elsewhere: blank without internet.
        docs_url=None,
        redoc_url=None,
        # A redirect would name the host that the caller says, and http.
        redirect_slashes=False,
        # Clients are generated with these names; FastAPI's own add path and method.
        generate_unique_id_function=lambda route: route.name,
    )
    api.add_middleware(BodyLimit, max_body_bytes=max_body_bytes, timeout_s=body_timeout_s)
    api.add_middleware(
        RequestEdge,
        metrics=lambda: coordinator().metrics,
        gate=lambda: coordinator().gate,
        echoes_request_id=echoes_request_id,
        reader_timeout_s=reader_timeout_s,
    )
    _add_calls(api, coordinator)
    add_admin_calls(api, coordinator)
    _add_probes(api, coordinator)
    add_error_handlers(api)
    openapi.describe(api)
    return api


def _add_calls(api: FastAPI, coordinator: Callable[[], Coordinator]) -> None:
    @api.post("/v1/trace")
    async def trace(body: TraceBody) -> Response:
        """Finds the passages of an answer that occur word for word in the corpora, and the documents that hold them."""
        return await json_response(await coordinator().trace(_trace_request(body), body.timeout_ms))

    @api.post(TRACE_STREAM)
    async def trace_stream(body: TraceBody) -> Response:
        """Traces an answer as /v1/trace does and tells it as it comes about: spans, documents by shard, ranking."""
        return await event_stream(coordinator().trace_stream(_trace_request(body), body.timeout_ms))

    @api.post("/v1/count")
    async def count(body: CountBody) -> Response:
        """Counts the occurrences of a text, token for token."""
        request = CountRequest(body.text, body.corpora, body.require_complete)
        return await json_response(await coordinator().count(request, body.timeout_ms))

    @api.get("/v1/documents/{document}")
    async def get_document(
        document: Annotated[str, Path(description="The document's id, corpus:shard:number.")],
        start: Annotated[int, Query(ge=0, description="First token wanted.")] = 0,
        max_tokens: Annotated[int, Query(ge=0, description="Most tokens to return; 0: the server's most.")] = 0,
        timeout_ms: TimeoutMs = 0,
        index_id: Annotated[
            str, Query(description="The content that the id is of, as coverage names it; empty: whichever is served.")
        ] = "",
    ) -> Response:
        """Returns a run of tokens of one document, as text."""
        id_ = parse_document_id(document)
        return await json_response(await coordinator().get_document(id_, start, max_tokens, timeout_ms, index_id))

    @api.get("/v1/describe")
    async def describe(timeout_ms: TimeoutMs = 0) -> Response:
        """Returns what is served, and the limits on a request."""
        return await json_response(await coordinator().describe(timeout_ms))


def _add_probes(api: FastAPI, coordinator: Callable[[], Coordinator]) -> None:
    @api.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Says that the process lives; asks no shard."""
        return {"status": "serving"}

    @api.get("/readyz")
    async def readyz() -> Response:
        """Says whether requests should be sent here, and how much of each corpus can be searched now."""
        readiness = coordinator().readiness()
        status = HTTPStatus.OK if readiness.ready else HTTPStatus.SERVICE_UNAVAILABLE
        return Response(dumps(readiness, indent=None), status, media_type="application/json")


def _trace_request(body: TraceBody) -> TraceRequest:
    return TraceRequest(body.answer, body.prompt, body.options.to_options(), body.corpora, body.require_complete)
