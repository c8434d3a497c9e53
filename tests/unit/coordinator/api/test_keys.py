"""Both faces ask the gate before they do anything, for everything but health and the description."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from starlette.routing import Route

from coordinator.access.gate import Gate
from coordinator.access.keyring import new_key
from coordinator.access.roles import ROLES, Role
from coordinator.api.grpc_api import GrpcApi
from coordinator.api.http_api import create_api
from coordinator.api.http_edge import method_of
from coordinator.api.rich_status import error_of
from coordinator.errors import PermissionDeniedError, UnauthenticatedError
from protos.coordinator.v1 import coordinator_pb2 as pb
from tests.api_keys import bearer, holder, write_key_file
from tests.unit.coordinator.api.http_calls import Recorder, Reply, call, recorded

KEYS = {role: new_key() for role in Role}
PATHS = [
    ("POST", "/v1/trace", b'{"answer": "a"}'),
    ("POST", "/v1/trace/stream", b'{"answer": "a"}'),
    ("POST", "/v1/count", b'{"text": "a"}'),
    ("GET", "/v1/describe", b""),
    ("GET", "/v1/documents/pre:0:1", b""),
    ("POST", "/v1/takedowns", b"{}"),
    ("GET", "/v1/takedowns", b""),
    ("POST", "/v1/takedowns/lift", b"{}"),
    ("POST", "/v1/takedowns/preview", b"{}"),
]
NOT_OURS = [("GET", "/v1/nothing"), ("GET", "/docs"), ("POST", "/v1//trace"), ("GET", "/v1/documents"), ("GET", "/")]


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    holders = [holder(key, role.value, id=role.value) for role, key in KEYS.items()]
    found = Recorder()
    found.gate = Gate(write_key_file(tmp_path / "keys.yaml", *holders))
    return found


def headers(key: str) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in bearer(key)]


def refusal(reply: Reply) -> Any:
    """Returns what a reply says, without what is of each request."""
    return reply.status, reply.headers | {"x-request-id": "", "content-length": ""}, reply.body | {"request_id": ""}


@pytest.mark.parametrize(("verb", "path", "body"), PATHS)
def test_a_path_without_a_key_and_with_a_wrong_one_get_the_same_answer(
    recorder: Recorder, verb: str, path: str, body: bytes
) -> None:
    missing = call(recorder, verb, path, body)
    wrong = call(recorder, verb, path, body, headers=headers(new_key()))
    assert refusal(missing) == refusal(wrong)
    assert missing.status == 401
    assert missing.headers["www-authenticate"] == 'Bearer realm="headwater"'
    assert missing.body["type"] == "unauthenticated"
    assert recorder.asked == []
    assert recorded(recorder.metrics) == {(method_of(verb, path), "UNAUTHENTICATED"): 2}


@pytest.mark.parametrize(("verb", "path", "body"), PATHS)
def test_a_path_needs_the_role_of_its_method(recorder: Recorder, verb: str, path: str, body: bytes) -> None:
    needed = ROLES[method_of(verb, path) or ""]
    for role, key in KEYS.items():
        reply = call(recorder, verb, path, body, headers=headers(key))
        assert (reply.status == 403) == (role is not needed)
        if role is not needed:
            assert reply.body["type"] == "permission-denied"
            assert recorder.asked == []
        recorder.asked = []


def test_every_route_has_a_method_with_a_role(recorder: Recorder) -> None:
    api = create_api(lambda: recorder, lambda: 1000)  # type: ignore[arg-type,return-value]
    routes = [route for route in api.routes if isinstance(route, Route)]
    assert len(routes) == len(api.routes), "what is no plain route has to be looked at"
    for route in routes:
        if route.path not in ("/healthz", "/readyz", "/openapi.json"):
            for verb in route.methods or ():
                assert method_of(verb, route.path) in ROLES, route.path


@pytest.mark.parametrize(("verb", "path"), NOT_OURS)
def test_what_is_no_path_of_ours_needs_a_key_and_is_not_there(recorder: Recorder, verb: str, path: str) -> None:
    assert call(recorder, verb, path).status == 401
    for key in KEYS.values():
        assert call(recorder, verb, path, headers=headers(key)).status == 404


@pytest.mark.parametrize(("verb", "path", "body"), PATHS)
def test_a_newline_at_the_end_of_a_path_does_not_pass_by_the_gate(verb: str, path: str, body: bytes) -> None:
    recorder = Recorder()
    assert call(recorder, verb, f"{path}\n", body).status in (400, 404)
    assert recorder.callers == []


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json"])
def test_health_and_the_description_need_no_key(recorder: Recorder, path: str) -> None:
    assert call(recorder, "GET", path).status == 200


def test_the_body_of_who_may_not_ask_is_not_read(recorder: Recorder) -> None:
    assert call(recorder, "POST", "/v1/trace", [b"{"], never_ends=True).status == 401


def test_the_key_names_the_caller(recorder: Recorder) -> None:
    call(
        recorder,
        "POST",
        "/v1/count",
        b'{"text": "a"}',
        headers=[*headers(KEYS[Role.TRACE]), (b"x-client-id", b"other")],
    )
    assert [caller.client_id for caller in recorder.callers] == ["trace"]


class Context:
    """A call's context; `grpc.Call` as far as `error_of` looks."""

    def __init__(self, metadata: tuple[tuple[str, str], ...]):
        self.metadata = metadata
        self.status = grpc.StatusCode.OK
        self.trailing: list[Any] = []

    def invocation_metadata(self) -> Any:
        return self.metadata

    def set_code(self, code: grpc.StatusCode) -> None:
        self.status = code

    def set_details(self, details: str) -> None:
        pass

    def set_trailing_metadata(self, trailing: list[Any]) -> None:
        self.trailing = trailing

    def trailing_metadata(self) -> list[Any]:
        return self.trailing


def ask(recorder: Recorder, method: str, *metadata: tuple[str, str]) -> Context:
    context = Context(metadata)

    async def scenario() -> None:
        api: Any = GrpcApi(recorder)  # type: ignore[arg-type]
        request = {"Trace": pb.TraceRequest, "Count": pb.CountRequest, "GetDocument": pb.GetDocumentRequest}.get(method)
        asked = getattr(api, method)((request or pb.DescribeRequest)(), context)
        if method == "TraceStream":
            assert [each async for each in asked] == []
        else:
            await asked

    asyncio.run(scenario())
    return context


@pytest.mark.parametrize("method", ["Trace", "TraceStream", "Count", "GetDocument", "Describe"])
def test_a_call_over_grpc_needs_a_key_with_its_role(recorder: Recorder, method: str) -> None:
    told = set()
    for metadata in ((), bearer(new_key()), (("x-client-id", "trace"),)):
        context = ask(recorder, method, *metadata)
        assert context.status is grpc.StatusCode.UNAUTHENTICATED
        error = error_of(context)  # type: ignore[arg-type]
        assert isinstance(error, UnauthenticatedError)
        told.add(str(error))
    assert len(told) == 1
    for role, key in KEYS.items():
        if role is not ROLES[method]:
            context = ask(recorder, method, *bearer(key))
            assert context.status is grpc.StatusCode.PERMISSION_DENIED
            assert isinstance(error_of(context), PermissionDeniedError)  # type: ignore[arg-type]
    assert recorder.asked == []
