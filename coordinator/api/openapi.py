"""The description of the HTTP face, /openapi.json; `openapi_page` keeps a copy in docs/."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from pydantic import TypeAdapter

from coordinator.api.caller import CLIENT_ID_KEY
from coordinator.api.http_events import ERROR_KIND, EVENT_MEDIA_TYPE, KINDS
from coordinator.api.http_problems import PROBLEM_MEDIA_TYPE
from coordinator.api.proto_comments import field_comments
from coordinator.readiness import Readiness
from coordinator.results import Count, Description, DocumentsFound, DocumentText, Ranking, SpansFound, Trace
from coordinator.takedowns import TakedownPreview, TakedownsAdded, TakedownsLifted, TakedownsListed
from runtime.request_id import METADATA_KEY

_RESPONSES = (
    Trace,
    SpansFound,
    DocumentsFound,
    Ranking,
    Count,
    DocumentText,
    Description,
    TakedownsAdded,
    TakedownsLifted,
    TakedownsListed,
    TakedownPreview,
    Readiness,
)

# The messages whose comments describe the fields of a value of another name.
_MESSAGES = {
    "Count": "CountResponse",
    "DocumentText": "GetDocumentResponse",
    "SpansFound": "TraceSpans",
    "DocumentsFound": "TraceDocuments",
    "Ranking": "TraceRanking",
    "ShardDescription": "Shard",
    "TakedownsAdded": "AddTakedownsResponse",
    "TakedownsLifted": "LiftTakedownsResponse",
    "TakedownsListed": "ListTakedownsResponse",
    "TakedownPreview": "PreviewTakedownResponse",
}
# What no message holds, or holds otherwise.
_COMMENTS = {
    "CorpusReadiness": {
        "corpus": "Name of the corpus.",
        "share_searchable": "Share of its positions whose shard has a server that answers, 0 to 1.",
        "reason": "Why it is less than 1; empty if it is 1.",
    },
    "Readiness": {
        "ready": "Whether requests should be sent here: true as soon as any shard can be searched.",
        "corpora": "How much of each corpus can be searched now.",
        "reason": "Why it is not ready; else empty.",
    },
    "Document": {"metadata": "Its metadata: any JSON object."},
    "DocumentText": {"metadata": "Its metadata: any JSON object."},
}

_ANSWERS = {
    ("/v1/trace", "post"): "Trace",
    ("/v1/count", "post"): "Count",
    ("/v1/documents/{document}", "get"): "DocumentText",
    ("/v1/describe", "get"): "Description",
    ("/v1/takedowns", "post"): "TakedownsAdded",
    ("/v1/takedowns", "get"): "TakedownsListed",
    ("/v1/takedowns/lift", "post"): "TakedownsLifted",
    ("/v1/takedowns/preview", "post"): "TakedownPreview",
}
_STREAM = ("/v1/trace/stream", "post")

_OF_EVERY_CALL = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_WITH_RETRY = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)

_STREAM_EXAMPLE = (
    'event: spans\ndata: {"num_tokens": 4, ...}\n\n'
    'event: documents\ndata: {"documents": [...]}\n\n'
    'event: ranking\ndata: {"documents": [...], ...}\n\n'
)

PROBLEM_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "Why a request was not answered (RFC 9457).",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        "type": {"type": "string", "description": "Which error: stable, to tell them apart by."},
        "title": {"type": "string", "description": "The error in words, the same for each of its type."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": {"type": "string", "description": "What was wrong with this request, and what to do."},
        "request_id": {"type": "string", "description": "Names the request in the server's log."},
        "retry_after_s": {
            "type": "number",
            "minimum": 0,
            "description": "When to come back, in seconds from now; only where that helps.",
        },
        "errors": {
            "type": "array",
            "description": "The fields at fault; only where it is known which.",
            "items": {
                "type": "object",
                "required": ["detail", "pointer"],
                "properties": {
                    "detail": {"type": "string", "description": "What is wrong with the field."},
                    "pointer": {"type": "string", "description": "Where it stands in the body: #/options/seed."},
                },
            },
        },
    },
}


def describe(api: FastAPI) -> None:
    """Has the description of ``api`` completed when it is first asked for."""
    make_page = api.openapi

    def page() -> dict[str, Any]:
        if api.openapi_schema is None:
            _complete(make_page())
        assert api.openapi_schema is not None
        return api.openapi_schema

    api.openapi = page  # type: ignore[method-assign]  # FastAPI's documented way to extend the page


def _complete(page: dict[str, Any]) -> None:
    components = page.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas.update(_response_schemas(), Problem=dict(PROBLEM_SCHEMA))
    components["headers"] = _HEADERS
    components["securitySchemes"] = {_SCHEME: _BEARER}
    for path, operations in page["paths"].items():
        for method, operation in operations.items():
            _complete_operation(path, method, operation)


def _complete_operation(path: str, method: str, operation: dict[str, Any]) -> None:
    operation["responses"].pop("422", None)  # FastAPI declares it and it is never sent
    responses = operation["responses"]
    if path == "/readyz":
        schema = {"application/json": {"schema": _reference("Readiness")}}
        responses["200"] = {"description": "Ready", "content": schema}
        responses["503"] = {"description": "Not ready; the reason says why", "content": schema}
    if not path.startswith("/v1/"):
        return
    # Two choices: without keys_file, a server asks for none.
    operation["security"] = [{_SCHEME: []}, {}]
    operation["parameters"] = [*operation.get("parameters", []), *_PARAMETERS]
    responses["200"] = _answer(path, method)
    statuses = {*_OF_EVERY_CALL}
    if method == "post":
        statuses |= {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE}
    if "{" in path:
        statuses |= {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}
    if path.startswith("/v1/takedowns") and method == "post":
        statuses.add(HTTPStatus.NOT_FOUND)
    for status in sorted(statuses):
        responses[str(status.value)] = _problem(status)


def _answer(path: str, method: str) -> dict[str, Any]:
    if (path, method) != _STREAM:
        name = _ANSWERS[path, method]
        content: dict[str, Any] = {"application/json": {"schema": _reference(name)}}
        return {"description": name, "headers": _id_header(), "content": content}
    kinds = {name: _reference(kind.__name__) for kind, name in KINDS.items()} | {ERROR_KIND: _reference("Problem")}
    description = (
        "Server-sent events: `spans` once, `documents` any number of times, `ranking` once, each with the JSON of the "
        "schema that x-events names in one line of data. `error` instead of the rest when it fails in the middle."
    )
    stream = {"schema": {"type": "string", "description": description}, "example": _STREAM_EXAMPLE, "x-events": kinds}
    return {
        "description": "The trace as it comes about",
        "headers": _id_header(),
        "content": {EVENT_MEDIA_TYPE: stream},
    }


def _problem(status: HTTPStatus) -> dict[str, Any]:
    headers = _id_header()
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = {"$ref": "#/components/headers/Challenge"}
    if status in _WITH_RETRY:
        headers["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
    content = {PROBLEM_MEDIA_TYPE: {"schema": _reference("Problem")}}
    return {"description": status.phrase, "headers": headers, "content": content}


def _response_schemas() -> dict[str, Any]:
    """Returns the schemas of the responses and of all that they hold, by name."""
    schemas: dict[str, Any] = {}
    for value in _RESPONSES:
        schema = TypeAdapter(value).json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
        schemas.update(schema.pop("$defs", {}))
        schemas[value.__name__] = schema
    name = "[a-z0-9][a-z0-9_-]*"
    schemas["DocumentId"] = _id_schema("DocumentId", rf"^{name}:\d+:\d+$", "A document: corpus:shard:number.")
    schemas["ShardId"] = _id_schema("ShardId", rf"^{name}:\d+$", "A shard: corpus:number.")
    comments = field_comments()
    for name, schema in schemas.items():
        said = comments.get(_MESSAGES.get(name, name), {})
        for field, described in schema.get("properties", {}).items():
            described.pop("title", None)
            comment = _COMMENTS.get(name, {}).get(field) or said.get(field)
            if comment:
                described.setdefault("description", comment)
    return schemas


def _id_schema(title: str, pattern: str, description: str) -> dict[str, str]:
    return {"type": "string", "title": title, "pattern": pattern, "description": description}


def _reference(schema: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{schema}"}


def _id_header() -> dict[str, Any]:
    return {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}


_HEADERS = {
    "RequestId": {
        "description": "The id of the request: the one it came with, else a new one.",
        "schema": {"type": "string"},
    },
    "RetryAfter": {
        "description": "When to come back, in seconds from now.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "Challenge": {"description": "How to show a key: Bearer.", "schema": {"type": "string"}},
}
_SCHEME = "key"
_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key, where the server needs one. Reading documents needs a key with the role read-document, "
    "takedowns one with the role admin, everything else one with the role trace.",
}
_PARAMETERS = [
    {"name": name, "in": "header", "required": False, "description": description, "schema": {"type": "string"}}
    for name, description in (
        (METADATA_KEY, "Names the request in logs and is sent back: 1 to 128 letters, digits and ._:=- characters."),
        (CLIENT_ID_KEY, "Names the client that the request counts for, if its rate is limited and no key names it."),
        ("traceparent", "Continues a distributed trace (W3C trace context)."),
    )
]
