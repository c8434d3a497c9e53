"""The HTTP/JSON face of a coordinator, as an ASGI application. Errors are problems as in RFC 9457."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import FastAPI, Query
from fastapi.responses import Response

from coordinator.api.body_limit import BodyLimit
from coordinator.api.http_models import CountBody, TraceBody, response_schemas
from coordinator.api.http_problems import PROBLEM_SCHEMA, add_error_handlers, problem_responses
from coordinator.api.json_codec import dumps, parse_document_id
from coordinator.requests import CountRequest, TraceRequest
from coordinator.service import Coordinator

_OF_EVERY_CALL = (HTTPStatus.BAD_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE)
_OF_A_BODY = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE,)

TimeoutMs = Annotated[int, Query(ge=0, description="Time to answer in; 0: the server's default.")]


def create_api(coordinator: Callable[[], Coordinator], max_body_bytes: Callable[[], int]) -> FastAPI:
    """Returns the application. Both arguments are called at each request: Serve builds it before them."""
    api = FastAPI(
        title="Headwater",
        summary="Traces what a language model wrote back to the documents it was trained on.",
        # The pages that FastAPI makes of /openapi.json load their scripts from elsewhere: blank without internet.
        docs_url=None,
        redoc_url=None,
    )
    api.add_middleware(BodyLimit, max_body_bytes=max_body_bytes)
    _add_routes(api, coordinator)
    add_error_handlers(api)
    _describe_responses(api)
    return api


def _add_routes(api: FastAPI, coordinator: Callable[[], Coordinator]) -> None:
    @api.post("/v1/trace", responses=_responses("Trace", *_OF_A_BODY))
    async def trace(body: TraceBody) -> Response:
        """Finds the passages of an answer that occur word for word in the corpus, and their documents."""
        request = TraceRequest(body.answer, body.prompt, body.options.to_options(), body.corpora, body.require_complete)
        return _json(await coordinator().trace(request, body.timeout_ms))

    @api.post("/v1/count", responses=_responses("Count", *_OF_A_BODY))
    async def count(body: CountBody) -> Response:
        """Counts the occurrences of a text."""
        return _json(
            await coordinator().count(CountRequest(body.text, body.corpora, body.require_complete), body.timeout_ms)
        )

    @api.get("/v1/documents/{document}", responses=_responses("DocumentText", HTTPStatus.NOT_FOUND))
    async def get_document(
        document: str,
        start: Annotated[int, Query(ge=0, description="First token wanted.")] = 0,
        max_tokens: Annotated[int, Query(ge=0, description="Most tokens; 0: the server's most.")] = 0,
        timeout_ms: TimeoutMs = 0,
    ) -> Response:
        """Returns a run of tokens of one document, as text. A document is named ``corpus:shard:number``."""
        id_ = parse_document_id(document)
        return _json(await coordinator().get_document(id_, start, max_tokens, timeout_ms))

    @api.get("/v1/describe", responses=_responses("Description"))
    async def describe(timeout_ms: TimeoutMs = 0) -> Response:
        """Returns what is served, and the limits on a request."""
        return _json(await coordinator().describe(timeout_ms))

    @api.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Says that the coordinator runs; `describe` says what it reaches."""
        return {"status": "serving"}


def _json(value: Any) -> Response:
    return Response(dumps(value, indent=None), media_type="application/json")


def _responses(name: str, *problems: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    schema = {"$ref": f"#/components/schemas/{name}"}
    answer: dict[int | str, Any] = {200: {"description": name, "content": {"application/json": {"schema": schema}}}}
    return answer | problem_responses(*sorted({*_OF_EVERY_CALL, *problems}))


def _describe_responses(api: FastAPI) -> None:
    """Adds the schemas of the responses to the OpenAPI page, made when it is first asked for."""
    make_page = api.openapi

    def openapi() -> dict[str, Any]:
        if api.openapi_schema is None:
            _complete(make_page())
        assert api.openapi_schema is not None
        return api.openapi_schema

    api.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the page


def _complete(page: dict[str, Any]) -> None:
    """Adds the schemas of answers and problems, and takes out the 422 that FastAPI declares and is never sent."""
    for path in page["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
    schemas = page.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(response_schemas(), Problem=dict(PROBLEM_SCHEMA))
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
