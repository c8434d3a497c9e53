"""The HTTP face, called as an ASGI application: routes, problems, limits, request ids."""

import asyncio
import json
from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from coordinator import request_record
from coordinator.api import body_limit, message_size
from coordinator.api.caller import Caller
from coordinator.errors import (
    ConfigurationError,
    DocumentNotFoundError,
    GenerationGoneError,
    InvalidRequestError,
    NoShardAnsweredError,
    OverloadedError,
)
from coordinator.requests import CountRequest, SpanRanking, TraceOptions, TraceRequest
from coordinator.results import DocumentText
from coordinator.values import DocumentId
from runtime import telemetry
from tests.unit.coordinator.api.http_calls import Recorder, call, post, recorded


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


def test_corpora_and_completeness_are_asked_for() -> None:
    recorder = Recorder()
    post(recorder, "/v1/trace", {"answer": "a", "corpora": ["pre"], "require_complete": True})
    assert recorder.asked == [TraceRequest("a", corpora=("pre",), require_complete=True), 0]
    post(recorder, "/v1/count", {"text": "a", "corpora": ["pre"], "require_complete": True, "timeout_ms": 5})
    assert recorder.asked == [CountRequest("a", ("pre",), True), 5]


def test_a_count_is_answered_as_json() -> None:
    reply = post(Recorder(), "/v1/count", {"text": "a b"})
    assert reply.headers["content-type"] == "application/json"
    assert reply.body == {
        "num_tokens": 2,
        "count": 3,
        "coverage": {"complete": True, "counts_are_lower_bounds": False, "share_searched": 1.0, "corpora": []},
        "withheld": {"occurrences": 0, "redacted": 0, "documents": 0, "occurrences_untold": False},
    }


def test_a_document_is_named_in_the_path() -> None:
    recorder = Recorder(DocumentText(DocumentId("default", 1, 2), "default", "", "", "", 9, 3, 4, "x", {}))
    reply = call(recorder, "GET", "/v1/documents/default:1:2?start=3&max_tokens=1&timeout_ms=5&index_id=1f")
    assert recorder.asked == [DocumentId("default", 1, 2), 3, 1, 5, "1f"]
    assert reply.body["id"] == "default:1:2"


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (InvalidRequestError("answer is empty"), 400, "invalid-request"),
        (DocumentNotFoundError("no such document"), 404, "document-not-found"),
        (GenerationGoneError("index 1f is gone"), 409, "generation-gone"),
        (NoShardAnsweredError("no shard answered"), 503, "no-shard-answered"),
        (ConfigurationError("limits differ"), 500, "configuration"),
        (OverloadedError("busy", 1.5), 429, "overloaded"),
    ],
)
def test_an_error_is_a_problem(error: Exception, status: int, kind: str) -> None:
    reply = post(Recorder(error), "/v1/count", {"text": "a"})
    assert (reply.status, reply.headers["content-type"]) == (status, "application/problem+json")
    assert (reply.body["status"], reply.body["type"], reply.body["detail"]) == (status, kind, str(error))


def test_an_error_says_when_to_come_back_in_the_header_and_in_the_problem() -> None:
    reply = post(Recorder(OverloadedError("busy", 1.5)), "/v1/count", {"text": "a"})
    assert (reply.headers["retry-after"], reply.body["retry_after_s"]) == ("2", 1.5)
    reply = post(Recorder(NoShardAnsweredError("none")), "/v1/count", {"text": "a"})
    assert (reply.headers["retry-after"], reply.body["retry_after_s"]) == ("1", 1.0)
    reply = post(Recorder(InvalidRequestError("empty")), "/v1/count", {"text": "a"})
    assert "retry-after" not in reply.headers
    assert "retry_after_s" not in reply.body


def test_an_error_says_which_field_is_at_fault() -> None:
    reply = post(Recorder(InvalidRequestError("seed is -1", "options.seed")), "/v1/trace", {"answer": "a"})
    assert reply.body["errors"] == [{"detail": "seed is -1", "pointer": "#/options/seed"}]
    reply = post(Recorder(), "/v1/trace", {"answer": "a", "options": {"seed": "x"}, "colour": 1})
    assert [each["pointer"] for each in reply.body["errors"]] == ["#/options/seed", "#/colour"]


def test_a_bug_is_a_problem_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    reply = post(Recorder(RuntimeError("secret")), "/v1/count", {"text": "a"})
    assert (reply.status, reply.body["type"]) == (500, "internal")
    assert "secret" not in json.dumps(reply.body)
    assert reply.body["request_id"] == reply.headers["x-request-id"]
    assert [record.getMessage() for record in caplog.records] == ["request failed"]


def test_a_request_keeps_its_id_and_its_client() -> None:
    recorder = Recorder()
    headers = [(b"X-Request-Id", b"r-1"), (b"x-client-id", b"team")]
    reply = post(recorder, "/v1/count", {"text": "a"}, headers=headers)
    assert recorder.callers == [Caller("r-1", "team")]
    assert reply.headers["x-request-id"] == "r-1"


def test_a_request_without_an_id_gets_one_and_is_told_it_in_the_problem_too() -> None:
    recorder = Recorder(InvalidRequestError("empty"))
    reply = post(recorder, "/v1/count", {"text": "a"})
    assert reply.body["request_id"] == reply.headers["x-request-id"] == recorder.callers[0].request_id
    assert len(reply.body["request_id"]) == 32


def test_a_server_that_sends_the_id_itself_is_left_to_it() -> None:
    reply = post(Recorder(), "/v1/count", {"text": "a"}, echoes_request_id=False)
    assert "x-request-id" not in reply.headers


@pytest.mark.parametrize(("error", "status"), [(None, 200), (InvalidRequestError("secret"), 400), (OSError("x"), 500)])
def test_a_request_is_one_otel_span_of_the_callers_trace_without_content(error: Exception | None, status: int) -> None:
    exporter = InMemorySpanExporter()
    shut_down = telemetry.set_up("coordinator", None, exporter=exporter)
    headers = [(b"traceparent", f"00-{'ab' * 16}-{'cd' * 8}-01".encode()), (b"x-request-id", b"r-1")]
    post(Recorder(error), "/v1/count", {"text": "a secret"}, headers=headers)
    call(Recorder(), "GET", "/healthz")
    shut_down()
    (otel_span,) = exporter.get_finished_spans()
    assert (otel_span.name, otel_span.kind.name, otel_span.context.trace_id) == (
        "HTTP POST",
        "SERVER",
        int("ab" * 16, 16),
    )
    assert otel_span.attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/count",
        "http.response.status_code": status,
        "request_id": "r-1",
    }
    assert "secret" not in otel_span.to_json()


def test_probes_say_whether_the_process_lives_and_is_ready() -> None:
    recorder = Recorder()
    corpora = [{"corpus": "pre", "share_searchable": 0.5, "reason": "no server of pre:1 answers"}]
    assert call(recorder, "GET", "/healthz").body == {"status": "serving"}
    assert call(recorder, "GET", "/readyz").body == {"ready": True, "corpora": corpora, "reason": ""}
    recorder.ready = False
    reply = call(recorder, "GET", "/readyz")
    assert (reply.status, reply.body["reason"]) == (503, "no server of pre:1 answers")
    assert call(recorder, "GET", "/healthz").status == 200


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
    ("body", "detail"),
    [
        ({"answer": "a", "options": {"delimiters": [0] * 200_000}}, "body.options.delimiters.0: Input should be a v"),
        ({"answer": "a", "options": {"delimiters": ["a"] * 65}}, "body.options.delimiters: Tuple should have at most"),
        ({"answer": "a", "corpora": [0] * 200_000}, "body.corpora.0: Input should be a valid string"),
        ({"answer": "a", "corpora": ["a"] * 200_000}, "body.corpora: Tuple should have at most 1000 items"),
        ({f"k{i}": 0 for i in range(50_000)}, "body: object has 50000 fields, expected some of answer, "),
        ({"answer": "a", "options": {f"k{i}": 0 for i in range(50_000)}}, "body.options: object has 50000 fields"),
        ({"answer": "a", "k" * 500_000: 0}, f"body.{'k' * 100}: Extra inputs"),
        ({"answer": 0, "prompt": 0, "corpora": [0] * 900}, "body.answer: Input should be a valid string"),
    ],
)
def test_a_body_with_very_many_faults_is_a_short_problem(
    body: Any, detail: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[int] = []
    errors = RequestValidationError.errors

    def counted(error: RequestValidationError) -> Any:
        found.append(len(errors(error)))
        return errors(error)

    monkeypatch.setattr(RequestValidationError, "errors", counted)
    reply = post(Recorder(), "/v1/trace", body, limit=4_000_000)
    assert (reply.status, reply.body["type"]) == (400, "invalid-request")
    assert reply.body["detail"].startswith(detail)
    assert len(reply.text) < 4_000
    assert max(found) <= 3


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
    assert "errors" not in reply.body  # there is no body to point into


@pytest.mark.parametrize("body", [b" " * 2000, [b" " * 600] * 4])
def test_a_body_over_the_limit_is_refused(body: bytes | list[bytes]) -> None:
    recorder = Recorder()
    reply = call(recorder, "POST", "/v1/trace", body)
    assert (reply.status, reply.body["detail"]) == (413, "body is over the limit of 1000 bytes")
    assert reply.body["type"] == "request-too-large"
    assert recorder.asked == []


def test_a_body_that_is_not_sent_in_time_is_refused_and_its_connection_closed() -> None:
    recorder = Recorder()
    reply = call(recorder, "POST", "/v1/count", [b'{"text":'], never_ends=True, body_timeout_s=0.01)
    assert (reply.status, reply.headers["connection"]) == (408, "close")
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.body["detail"] == "body was not sent whole within 0.01 s"
    assert recorder.asked == []


def test_a_body_for_which_there_is_no_place_is_told_to_come_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limit, "_MOST_ARRIVING", 0)
    recorder = Recorder()
    reply = post(recorder, "/v1/count", {"text": "a"})
    assert (reply.status, reply.body["type"], reply.headers["retry-after"]) == (429, "overloaded", "1")
    assert (recorder.asked, recorded(recorder.metrics)) == ([], {("Count", "RESOURCE_EXHAUSTED"): 1})


def test_the_time_to_answer_is_not_that_to_send_the_body() -> None:
    class Slow(Recorder):
        async def count(self, *asked: Any) -> Any:
            await asyncio.sleep(0.6)
            return self.answer

    assert post(Slow(), "/v1/count", {"text": "a"}, body_timeout_s=0.5).status == 200


class Joined(Recorder):
    """Answers as the coordinator does, within a record."""

    async def _reply(self, *asked: Any) -> Any:
        with request_record.recorded("Count", 1.0, self.metrics):
            return await super()._reply(*asked)

    count = _reply


@pytest.mark.parametrize(
    ("body", "answer", "code"),
    [
        (b'{"text": "a"}', None, "OK"),
        (b'{"text": "a"}', OverloadedError("busy", 1.0), "RESOURCE_EXHAUSTED"),
        (b'{"text": "a"}', RuntimeError("a bug"), "INTERNAL"),
        (b'{"text": "a"}', object(), "INTERNAL"),  # cannot be encoded
        (b'{"text": 1}', None, "INVALID_ARGUMENT"),
        (b"not JSON", None, "INVALID_ARGUMENT"),
        (b" " * 2000, None, "INVALID_ARGUMENT"),
    ],
)
def test_a_request_is_counted_once_with_what_it_was_answered(body: bytes, answer: Any, code: str) -> None:
    recorder = Joined(answer)
    call(recorder, "POST", "/v1/count", body)
    assert recorded(recorder.metrics) == {("Count", code): 1}


def test_a_wrong_method_a_late_body_and_a_wrong_document_id_are_counted_and_probes_are_not() -> None:
    recorder = Recorder()
    call(recorder, "GET", "/v1/trace")
    call(recorder, "POST", "/v1/count", [b"{"], never_ends=True, body_timeout_s=0.01)
    call(recorder, "GET", "/v1/documents/seven")
    call(recorder, "GET", "/v1/documents/default:0:1/text")
    for path in ("/healthz", "/readyz", "/openapi.json", "/v2/trace"):
        call(recorder, "GET", path)
    assert recorded(recorder.metrics) == {
        ("Trace", "UNIMPLEMENTED"): 1,
        ("Count", "CANCELLED"): 1,
        ("GetDocument", "INVALID_ARGUMENT"): 1,
        ("GetDocument", "NOT_FOUND"): 1,
    }


def test_an_answer_over_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_size, "MAX_MESSAGE_BYTES", 20)
    recorder = Recorder()
    reply = post(recorder, "/v1/count", {"text": "a"})
    assert (reply.status, reply.body["type"]) == (413, "request-too-large")
    assert recorded(recorder.metrics) == {("Count", "INVALID_ARGUMENT"): 1}
