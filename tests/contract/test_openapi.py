"""docs/openapi.json is what the server says, is complete, and describes what is really answered."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import jsonschema
import pytest
from fastapi import FastAPI

from coordinator.api.http_api import create_api
from coordinator.api.openapi_page import PAGE, page
from coordinator.api.status import FAULTS
from coordinator.errors import InvalidRequestError, NoShardAnsweredError, OverloadedError
from coordinator.results import Count, DocumentText
from coordinator.values import DocumentId
from tests.unit.coordinator.api.http_calls import Recorder, call, post
from tests.unit.coordinator.api.samples import COVERAGE, DESCRIPTION, EVENTS, METADATA, TRACE

DOCUMENT_TEXT = DocumentText(
    DocumentId("pre", 0, 7), "pre", "pre-training", "wiki", "https://x", 10, 2, 4, "b c", METADATA
)
DESCRIBED = json.loads(PAGE.read_text(encoding="utf-8"))
SCHEMAS = DESCRIBED["components"]["schemas"]
_METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, of_path in DESCRIBED["paths"].items():
        for method, operation in of_path.items():
            yield path, method, operation


def test_the_page_in_docs_is_what_the_server_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m coordinator.api.openapi_page"


def test_every_route_is_described() -> None:
    api: FastAPI = create_api(lambda: None, lambda: 0)  # type: ignore[arg-type,return-value]
    served = {(route.path, method.lower()) for route in api.routes for method in getattr(route, "methods", ())}
    served = {(path, method) for path, method in served if path != "/openapi.json" and method != "head"}
    assert served == {(path, method) for path, method, _ in operations()}


def test_it_has_the_shape_of_openapi_3_1() -> None:
    """The specification's own rules, as far as they say something about what is here."""
    assert re.fullmatch(r"3\.1\.\d+", DESCRIBED["openapi"])
    assert {"title", "version"} <= DESCRIBED["info"].keys()
    assert DESCRIBED.keys() <= {"openapi", "info", "paths", "components", "servers", "tags"}
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(ids)) == len(ids)
    for path, method, operation in operations():
        assert method in _METHODS
        named = set(re.findall(r"\{(\w+)\}", path))
        parameters = operation.get("parameters", [])
        assert {each["name"] for each in parameters if each["in"] == "path"} == named
        assert all(each["required"] for each in parameters if each["in"] == "path")
        assert len({(each["name"], each["in"]) for each in parameters}) == len(parameters)
        assert all(each["description"] and "schema" in each for each in parameters), path
        assert operation["summary"] and operation["description"]
        for status, response in operation["responses"].items():
            assert re.fullmatch(r"[1-5]\d\d", status)
            assert response["description"]
    for schema in SCHEMAS.values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_reference_leads_somewhere_and_every_part_is_used() -> None:
    parts = {f"#/components/{kind}/{name}" for kind, of_kind in DESCRIBED["components"].items() for name in of_kind}
    schemes = {f"#/components/securitySchemes/{name}" for name in ("key",)}  # which are named, not referred to
    assert set(_references(DESCRIBED)) | schemes == parts


def test_every_call_takes_a_key_and_no_probe_does() -> None:
    for path, _, operation in operations():
        assert operation.get("security") == ([{"key": []}, {}] if path.startswith("/v1/") else None)


def test_every_field_is_explained() -> None:
    bare = [
        f"{name}.{field}"
        for name, schema in SCHEMAS.items()
        for field, described in schema.get("properties", {}).items()
        if not described.get("description")
    ]
    assert bare == []
    assert [name for name, schema in SCHEMAS.items() if not schema.get("description")] == []


def test_it_declares_the_problems_that_are_sent_and_no_others() -> None:
    every_call, a_body = {"200", "400", "401", "403", "429", "500", "503"}, {"408", "413"}
    assert {(path, method): set(operation["responses"]) for path, method, operation in operations()} == {
        ("/v1/trace", "post"): every_call | a_body,
        ("/v1/trace/stream", "post"): every_call | a_body,
        ("/v1/count", "post"): every_call | a_body,
        ("/v1/documents/{document}", "get"): every_call | {"404", "409"},
        ("/v1/describe", "get"): every_call,
        ("/v1/takedowns", "post"): every_call | a_body | {"404"},
        ("/v1/takedowns", "get"): every_call,
        ("/v1/takedowns/lift", "post"): every_call | a_body | {"404"},
        ("/v1/takedowns/preview", "post"): every_call | a_body | {"404"},
        ("/healthz", "get"): {"200"},
        ("/readyz", "get"): {"200", "503"},
    }
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path, _, operation in operations():
        for status, response in operation["responses"].items():
            if path.startswith("/v1/"):
                assert "X-Request-Id" in response["headers"]
                assert ("WWW-Authenticate" in response["headers"]) == (status == "401")
                assert ("Retry-After" in response["headers"]) == (status in ("429", "503"))
                assert status == "200" or response["content"] == problem
    assert {str(fault.http_status.value) for fault in FAULTS.values()} <= every_call | a_body | {"404", "409"}


def validate(content: Any, schema: dict[str, Any]) -> None:
    jsonschema.validate(content, schema | {"components": DESCRIBED["components"]}, jsonschema.Draft202012Validator)


def described(path: str, method: str, status: int) -> dict[str, Any]:
    content = DESCRIBED["paths"][path][method]["responses"][str(status)]["content"]
    (kind,) = content.values()
    return kind["schema"]


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/v1/trace", TRACE),
        ("/v1/count", Count(3, 2**50, COVERAGE)),
        ("/v1/documents/{document}", DOCUMENT_TEXT),
        ("/v1/describe", DESCRIPTION),
        ("/readyz", None),
    ],
)
def test_an_answer_is_as_described(path: str, answer: Any) -> None:
    (method,) = DESCRIBED["paths"][path]
    body = json.dumps({"/v1/trace": {"answer": "a"}, "/v1/count": {"text": "a"}}.get(path)).encode()
    reply = call(Recorder(answer), method.upper(), path.replace("{document}", "pre:0:7"), body)
    assert reply.status == 200
    validate(reply.body, described(path, method, 200))
    if path.startswith("/v1/"):
        with pytest.raises(jsonschema.ValidationError):
            validate({}, described(path, method, 200))


def test_each_event_of_a_stream_is_as_described() -> None:
    (content,) = DESCRIBED["paths"]["/v1/trace/stream"]["post"]["responses"]["200"]["content"].values()
    schemas = content["x-events"]
    seen = []
    reply = post(Recorder([*EVENTS, NoShardAnsweredError("gone")]), "/v1/trace/stream", {"answer": "a"})
    for block in reply.text.removesuffix("\n\n").split("\n\n"):
        kind, text = block.split("\n")
        seen.append(kind.removeprefix("event: "))
        validate(json.loads(text.removeprefix("data: ")), schemas[seen[-1]])
    assert seen == list(schemas)


@pytest.mark.parametrize(
    ("error", "limit"),
    [
        (InvalidRequestError("x", "text"), 1000),
        (OverloadedError("x", 0.5), 1000),
        (RuntimeError("x"), 1000),
        (InvalidRequestError("x"), 5),
    ],
)
def test_a_problem_is_as_described(error: Exception, limit: int) -> None:
    reply = post(Recorder(error), "/v1/count", {"text": "a"}, limit=limit)
    validate(reply.body, described("/v1/count", "post", reply.status))
    assert reply.body.keys() <= SCHEMAS["Problem"]["properties"].keys()


def test_the_examples_of_the_bodies_are_as_described() -> None:
    examples = {name: schema["example"] for name, schema in SCHEMAS.items() if "example" in schema}
    assert examples.keys() == {"TraceBody", "CountBody"}
    for name, example in examples.items():
        validate(example, {"$ref": f"#/components/schemas/{name}"})


def _references(node: Any) -> Iterable[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from [value] if key == "$ref" else _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)
