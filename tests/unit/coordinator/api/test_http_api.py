"""The HTTP face, called as an ASGI application: routes, problems, limits, the OpenAPI page."""

import asyncio
import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import pytest

from coordinator.api.http_api import create_api
from coordinator.errors import ConfigurationError, DocumentNotFoundError, InvalidRequestError, NoShardAnsweredError
from coordinator.requests import SpanRanking, TraceOptions, TraceRequest
from coordinator.results import Count, Coverage, DocumentText
from coordinator.values import DocumentId

COVERAGE = Coverage(1, 1, 10, True, ())


class Recorder:
    """Stands where the coordinator is: records what it is asked and answers what it was given."""

    def __init__(self, answer: Any = None):
        self.answer = answer or Count(2, 3, COVERAGE)
        self.asked: list[Any] = []

    async def _reply(self, *asked: Any) -> Any:
        self.asked = list(asked)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    trace = count = describe = _reply

    async def get_document(self, *asked: Any) -> Any:
        return await self._reply(*asked)


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: Any


def call(
    recorder: Recorder,
    method: str,
    path: str,
    body: bytes | Iterable[bytes] = b"",
    limit: int = 1000,
    content_type: bytes | None = b"application/json",
) -> Reply:
    """Returns what the application answers; a body given in parts has no announced length."""
    parts = [body] if isinstance(body, bytes) else list(body)
    headers = [] if content_type is None else [(b"content-type", content_type)]
    if isinstance(body, bytes):
        headers.append((b"content-length", str(len(body)).encode()))
    path, _, query = path.partition("?")
    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": query.encode()}
    scope |= {"headers": headers, "http_version": "1.1", "scheme": "http", "server": ("h", 1), "client": ("c", 1)}
    messages = [{"type": "http.request", "body": part, "more_body": i + 1 < len(parts)} for i, part in enumerate(parts)]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    api = create_api(lambda: recorder, lambda: limit)  # type: ignore[arg-type,return-value]
    asyncio.run(api(scope, receive, send))
    content = b"".join(message.get("body", b"") for message in sent[1:])
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Reply(sent[0]["status"], found, json.loads(content))


def post(recorder: Recorder, path: str, body: Any, **how: Any) -> Reply:
    return call(recorder, "POST", path, json.dumps(body).encode(), **how)


def test_a_trace_is_asked_for_with_every_option() -> None:
    recorder = Recorder()
    options = {"delimiters": [], "span_ranking": "length", "seed": 7, "max_span_density": 1}
    assert (
        post(recorder, "/v1/trace", {"answer": "a", "prompt": "p", "options": options, "timeout_ms": 9}).status == 200
    )
    expected = TraceOptions(delimiters=(), span_ranking=SpanRanking.LENGTH, seed=7, max_span_density=1.0)
    assert recorder.asked == [TraceRequest("a", "p", expected), 9]


def test_what_is_not_said_has_its_default() -> None:
    recorder = Recorder()
    post(recorder, "/v1/trace", {"answer": "a"})
    assert recorder.asked == [TraceRequest("a"), 0]


def test_a_count_is_answered_as_json() -> None:
    reply = post(Recorder(), "/v1/count", {"text": "a b"})
    assert reply.headers["content-type"] == "application/json"
    assert reply.body == {
        "num_tokens": 2,
        "count": 3,
        "coverage": {
            "shards_asked": 1, "shards_answered": 1, "tokens_searched": 10, "complete": True, "failed_shards": []
        },
    }  # fmt: skip


def test_a_document_is_named_in_the_path() -> None:
    recorder = Recorder(DocumentText(DocumentId("default", 1, 2), 9, 3, 4, "x", {}))  # type: ignore[arg-type]
    reply = call(recorder, "GET", "/v1/documents/default:1:2?start=3&max_tokens=1&timeout_ms=5")
    assert recorder.asked == [DocumentId("default", 1, 2), 3, 1, 5]  # type: ignore[arg-type]
    assert reply.body["id"] == "1:2"


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (InvalidRequestError("answer is empty"), 400, "invalid-request"),
        (DocumentNotFoundError("no such document"), 404, "document-not-found"),
        (NoShardAnsweredError("no shard answered"), 503, "no-shard-answered"),
        (ConfigurationError("limits differ"), 500, "configuration"),
    ],
)
def test_an_error_is_a_problem(error: Exception, status: int, kind: str) -> None:
    reply = post(Recorder(error), "/v1/count", {"text": "a"})
    assert (reply.status, reply.headers["content-type"]) == (status, "application/problem+json")
    assert (reply.body["status"], reply.body["type"], reply.body["detail"]) == (status, kind, str(error))


@pytest.mark.parametrize(
    ("path", "body", "detail"),
    [
        ("/v1/trace", {"answer": 7}, "body.answer: "),
        ("/v1/trace", {}, "body.answer: Field required"),
        ("/v1/trace", {"answer": "a", "colour": "blue"}, "body.colour: Extra inputs"),
        ("/v1/trace", {"answer": "a", "options": {"seeds": 1}}, "body.options.seeds: Extra inputs"),
        ("/v1/trace", {"answer": "a", "options": {"span_ranking": "best"}}, "body.options.span_ranking: "),
        ("/v1/count", {"text": "a", "timeout_ms": -1}, "body.timeout_ms: "),
    ],
)
def test_a_body_that_is_not_as_described_is_a_problem_that_repeats_no_content(
    path: str, body: Any, detail: str
) -> None:
    reply = post(Recorder(), path, body)
    assert (reply.status, reply.body["type"]) == (400, "invalid-request")
    assert reply.body["detail"].startswith(detail)


@pytest.mark.parametrize(
    ("content_type", "found"),
    [
        (None, "no content type"),
        # What curl sends with --data, unless told.
        (b"application/x-www-form-urlencoded", "content type 'application/x-www-form-urlencoded'"),
    ],
)
def test_a_body_that_is_not_said_to_be_json_is_told_which_header_to_send(
    content_type: bytes | None, found: str
) -> None:
    reply = call(Recorder(), "POST", "/v1/count", b'{"text": "secret"}', content_type=content_type)
    detail = f"body has {found}, expected JSON; send Content-Type: application/json"
    assert (reply.status, reply.body["type"], reply.body["detail"]) == (400, "invalid-request", detail)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"{'text': 'secret'}", "body is not valid JSON, near character 1: "),
        (b'{"text": ', "body is not valid JSON, near character "),
        (b'{"text": "\xff secret"}', "body is not valid JSON: expected UTF-8"),
        (b"[" * 500_000, "body is not valid JSON: expected UTF-8 text and no deep nesting"),
        (b"", "body is empty, expected a JSON object; send it with Content-Type: application/json"),
        (b'["secret"]', "body is JSON but not an object, expected an object"),
        (b"null", "body is "),
    ],
)
def test_a_body_that_is_no_json_object_is_told_what_to_send(body: bytes, detail: str) -> None:
    reply = call(Recorder(), "POST", "/v1/count", body, limit=1_000_000)
    assert (reply.status, reply.body["type"]) == (400, "invalid-request")
    assert reply.body["detail"].startswith(detail)
    assert "secret" not in json.dumps(reply.body)


def test_there_is_no_page_that_needs_the_internet() -> None:
    for path in ("/docs", "/redoc"):
        assert call(Recorder(), "GET", path).status == 404
    title = call(Recorder(), "POST", "/v1/count").body["title"]
    assert title == "The request is not as described in /openapi.json"


def test_a_wrong_path_and_a_wrong_method_are_problems() -> None:
    assert call(Recorder(), "GET", "/v2/trace").body["title"] == "Not Found"
    assert call(Recorder(), "GET", "/v1/trace").body["status"] == 405


def test_a_document_id_that_is_none_is_a_problem() -> None:
    reply = call(Recorder(), "GET", "/v1/documents/seven")
    assert (reply.status, reply.body["type"]) == (400, "invalid-request")


@pytest.mark.parametrize("body", [b" " * 2000, [b" " * 600] * 4])
def test_a_body_over_the_limit_is_refused(body: bytes | list[bytes]) -> None:
    recorder = Recorder()
    reply = call(recorder, "POST", "/v1/trace", body)
    assert (reply.status, reply.body["detail"]) == (413, "body is over the limit of 1000 bytes")
    assert recorder.asked == []


def test_the_openapi_page_describes_the_responses() -> None:
    page = call(Recorder(), "GET", "/openapi.json").body
    schemas = page["components"]["schemas"]
    assert {"Trace", "Span", "Document", "Coverage", "Count", "DocumentText", "IndexDescription"} <= schemas.keys()
    assert schemas["Document"]["properties"]["id"] == {"$ref": "#/components/schemas/DocumentId"}
    answer = page["paths"]["/v1/trace"]["post"]["responses"]["200"]["content"]["application/json"]
    assert answer["schema"] == {"$ref": "#/components/schemas/Trace"}
    for reference in _references(page):
        assert reference.removeprefix("#/components/schemas/") in schemas


def test_the_openapi_page_declares_the_problems_that_are_sent_and_no_others() -> None:
    page = call(Recorder(), "GET", "/openapi.json").body
    declared = {
        path: set(operation["responses"])
        for path, operations in page["paths"].items()
        for operation in operations.values()
    }
    assert declared == {
        "/v1/trace": {"200", "400", "413", "500", "503"},
        "/v1/count": {"200", "400", "413", "500", "503"},
        "/v1/documents/{document}": {"200", "400", "404", "500", "503"},
        "/v1/describe": {"200", "400", "500", "503"},
        "/healthz": {"200"},
    }
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for operations in page["paths"].values():
        for operation in operations.values():
            responses = operation["responses"]
            assert all(responses[status]["content"] == problem for status in responses if status != "200")
    assert "ValidationError" not in json.dumps(page)


@pytest.mark.parametrize(
    ("error", "limit"),
    [(InvalidRequestError("x"), 1000), (NoShardAnsweredError("x"), 1000), (InvalidRequestError("x"), 5)],
)
def test_a_problem_is_as_its_schema_says(error: Exception, limit: int) -> None:
    schema = call(Recorder(), "GET", "/openapi.json").body["components"]["schemas"]["Problem"]
    reply = post(Recorder(error), "/v1/count", {"text": "a"}, limit=limit)
    kinds = {"string": str, "integer": int}
    assert set(schema["required"]) == set(schema["properties"]) == reply.body.keys()
    for name, described in schema["properties"].items():
        assert isinstance(reply.body[name], kinds[described["type"]])


def _references(node: Any) -> Iterable[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from [value] if key == "$ref" else _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)
