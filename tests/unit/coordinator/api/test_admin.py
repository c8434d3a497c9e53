"""The admin calls on both faces: what the coordinator is asked, what is answered, and what the audit log has of it."""

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import grpc
import pytest

from coordinator.access.gate import Gate
from coordinator.api import takedown_codec as codec
from coordinator.api.grpc_api import GrpcApi
from coordinator.api.json_codec import to_json
from coordinator.errors import DocumentNotFoundError, InvalidRequestError
from coordinator.takedowns import (
    ReplicaTakedowns,
    Takedown,
    TakedownDocument,
    TakedownPreview,
    TakedownsAdded,
    TakedownsLifted,
    TakedownsListed,
    TakedownState,
)
from protos.coordinator.v1 import coordinator_pb2 as pb
from tests.api_keys import bearer, write_keys
from tests.unit.coordinator.api.http_calls import COVERAGE, Recorder, Reply, call
from tests.unit.coordinator.api.test_keys import Context

URL = "https://example.org/a-secret-place"
TAKEDOWN = Takedown(id="t1", corpora=("pre",), url=URL, reason="asked", added_s=5)
OTHERS = (
    Takedown(id="t2", document="pre:0:7", index_id="1f2e", document_sha256="2" * 64, content_tokens=5),
    Takedown(id="t3", domain="example.org"),
    Takedown(id="t4", source="wiki"),
    Takedown(id="t5", content_sha256="0" * 64, content_tokens=9),
)
STATE = TakedownState(7, (ReplicaTakedowns("pre:0", "h:1", 6, 3, "behind"),), ("t9",))
DOCUMENT = TakedownDocument("pre:0:7", "wiki", URL, 12, "1" * 64, 0.5)
ADDED = TakedownsAdded((TAKEDOWN, *OTHERS), STATE, 3)
LISTED = TakedownsListed((TAKEDOWN,), STATE)
PREVIEW = TakedownPreview((DOCUMENT,), 3, (DOCUMENT,), COVERAGE)
BODY = {"takedowns": [{"id": "t1", "corpora": ["pre"], "url": URL, "reason": "asked"}], "timeout_ms": 9}


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    found = Recorder()
    key = write_keys(tmp_path / "keys.yaml", "admin")
    found.gate = Gate(tmp_path / "keys.yaml", tmp_path / "audit.log")
    found.key = key  # type: ignore[attr-defined]
    return found


def http(recorder: Any, verb: str, path: str, body: Any = None) -> Reply:
    headers = [(name.encode(), value.encode()) for name, value in (*bearer(recorder.key), ("x-request-id", "r-1"))]
    return call(recorder, verb, path, b"" if body is None else json.dumps(body).encode(), headers=headers)


def over_grpc(recorder: Any, method: str, request: Any) -> tuple[Context, Any]:
    context = Context((*bearer(recorder.key), ("x-request-id", "r-1")))
    return context, asyncio.run(getattr(GrpcApi(recorder), method)(request, context))


def records(tmp_path: Path) -> list[dict[str, Any]]:
    text = (tmp_path / "audit.log").read_text()
    assert "example" not in text
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("takedown", ADDED.takedowns)
def test_a_takedown_is_the_same_on_both_sides_of_its_message(takedown: Takedown) -> None:
    assert codec.decode_takedown(codec.encode_takedown(takedown)) == takedown


def test_answers_are_the_same_on_both_sides_of_their_messages() -> None:
    assert codec.decode_added(codec.encode_added(ADDED)) == ADDED
    assert codec.decode_lifted(codec.encode_lifted(TakedownsLifted(STATE))) == TakedownsLifted(STATE)
    assert codec.decode_listed(codec.encode_listed(LISTED)) == LISTED
    assert codec.decode_preview(codec.encode_preview(PREVIEW)) == PREVIEW


def test_what_has_no_target_or_two_is_no_message() -> None:
    for wrong in (Takedown(id="a"), Takedown(url="a", source="b"), Takedown(source="\ud800")):
        with pytest.raises(InvalidRequestError):
            codec.encode_takedown(wrong)


def test_takedowns_are_added_over_http(recorder: Recorder, tmp_path: Path) -> None:
    recorder.answer = ADDED
    reply = http(recorder, "POST", "/v1/takedowns", BODY)
    assert (reply.status, reply.body) == (200, to_json(ADDED))
    assert recorder.asked == [[Takedown(id="t1", corpora=("pre",), url=URL, reason="asked")], 9]
    (record,) = records(tmp_path)
    assert record.pop("time")
    assert record == {
        "request_id": "r-1",
        "key": "tester",
        "rpc": "AddTakedowns",
        "outcome": "OK",
        "takedowns": ["t1", "t2", "t3", "t4", "t5"],
        "targets": [{"kind": "url", "sha256": hashlib.sha256(URL.encode()).hexdigest()}],
    }


def test_takedowns_are_lifted_listed_and_previewed_over_http(recorder: Recorder, tmp_path: Path) -> None:
    asked: list[tuple[str, str, Any, Any, list[Any]]] = [
        ("POST", "/v1/takedowns/lift", {"ids": ["t1"]}, TakedownsLifted(STATE), [("t1",), 0]),
        ("GET", "/v1/takedowns?timeout_ms=4", None, LISTED, [4]),
        (
            "POST",
            "/v1/takedowns/preview",
            {"takedown": {"domain": "example.org"}, "max_documents": 5, "min_copied_share": 0.25},
            PREVIEW,
            [Takedown(domain="example.org"), 5, 0.25, 0],
        ),
    ]
    for verb, path, body, answer, expected in asked:
        recorder.answer = answer
        reply = http(recorder, verb, path, body)
        assert (reply.status, reply.body) == (200, to_json(answer))
        assert recorder.asked == expected
    found = records(tmp_path)
    assert [record["rpc"] for record in found] == ["LiftTakedowns", "ListTakedowns", "PreviewTakedown"]
    assert found[0]["takedowns"] == ["t1"]
    assert [target["kind"] for target in found[2]["targets"]] == ["domain"]


def test_the_same_over_grpc(recorder: Recorder, tmp_path: Path) -> None:
    takedown = codec.encode_takedown(TAKEDOWN)
    preview = pb.PreviewTakedownRequest(takedown=takedown, max_documents=5, min_copied_share=0.25)
    lifted = TakedownsLifted(STATE)
    calls: list[tuple[str, Any, Any, Any, list[Any]]] = [
        ("AddTakedowns", pb.AddTakedownsRequest(takedowns=[takedown]), ADDED, codec.decode_added, [[TAKEDOWN], 0]),
        (
            "LiftTakedowns",
            pb.LiftTakedownsRequest(ids=["t1"]),
            lifted,
            codec.decode_lifted,
            [("t1",), 0],
        ),
        ("ListTakedowns", pb.ListTakedownsRequest(timeout_ms=4), LISTED, codec.decode_listed, [4]),
        ("PreviewTakedown", preview, PREVIEW, codec.decode_preview, [TAKEDOWN, 5, 0.25, 0]),
    ]
    for method, request, answer, decode, expected in calls:
        recorder.answer = answer
        context, response = over_grpc(recorder, method, request)
        assert context.status is grpc.StatusCode.OK
        assert decode(response) == answer
        assert recorder.asked == expected
    assert [(record["rpc"], record["outcome"]) for record in records(tmp_path)] == [(each[0], "OK") for each in calls]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (InvalidRequestError("x"), "INVALID_ARGUMENT"),
        (DocumentNotFoundError("x"), "NOT_FOUND"),
        (RuntimeError("x"), "INTERNAL"),
    ],
)
def test_a_call_that_fails_is_in_the_record(recorder: Recorder, tmp_path: Path, error: Exception, outcome: str) -> None:
    recorder.answer = error
    assert http(recorder, "POST", "/v1/takedowns", BODY).status >= 400
    context, _ = over_grpc(recorder, "LiftTakedowns", pb.LiftTakedownsRequest(ids=["a"]))
    assert context.status.name == outcome
    assert [(record["outcome"], record["takedowns"]) for record in records(tmp_path)] == [
        (outcome, ["t1"]),
        (outcome, ["a"]),
    ]


def test_what_cannot_be_recorded_is_not_done(recorder: Recorder, tmp_path: Path) -> None:
    (tmp_path / "audit.log").unlink()
    (tmp_path / "audit.log").mkdir()
    reply = http(recorder, "POST", "/v1/takedowns", BODY)
    assert (reply.status, reply.body["type"]) == (500, "configuration")
    assert "audit log" in reply.body["detail"]
    assert recorder.asked == []


def test_one_that_leaves_is_in_the_record(recorder: Recorder, tmp_path: Path) -> None:
    from coordinator.api.administration import Administration

    async def never(*_: Any) -> Any:
        has_begun.set()
        await asyncio.Event().wait()

    has_begun = asyncio.Event()
    recorder.add_takedowns = never  # type: ignore[method-assign]

    async def scenario() -> None:
        task = asyncio.create_task(Administration(recorder).add_takedowns([TAKEDOWN], 0))  # type: ignore[arg-type]
        await asyncio.wait_for(has_begun.wait(), 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    assert [record["outcome"] for record in records(tmp_path)] == ["CANCELLED"]


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("AddTakedowns", pb.AddTakedownsRequest()),
        ("AddTakedowns", pb.AddTakedownsRequest(takedowns=[pb.Takedown()] * 10_001)),
        ("LiftTakedowns", pb.LiftTakedownsRequest()),
        ("PreviewTakedown", pb.PreviewTakedownRequest()),
        ("PreviewTakedown", pb.PreviewTakedownRequest(max_documents=1_001)),
        ("PreviewTakedown", pb.PreviewTakedownRequest(max_documents=1, min_copied_share=1.5)),
        ("PreviewTakedown", pb.PreviewTakedownRequest(max_documents=1, min_copied_share=float("nan"))),
    ],
)
def test_a_number_out_of_range_is_refused(recorder: Recorder, method: str, request_: Any) -> None:
    context, _ = over_grpc(recorder, method, request_)
    assert context.status is grpc.StatusCode.INVALID_ARGUMENT
    assert recorder.asked == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("", {"takedowns": []}),
        ("", {"takedowns": [{"uri": "x"}]}),
        ("/lift", {"ids": []}),
        ("/preview", {"takedown": {}, "max_documents": 0}),
        ("/preview", {"takedown": {}, "min_copied_share": 2}),
        ("/preview", {}),
    ],
)
def test_a_body_that_is_not_as_described_is_refused(recorder: Recorder, path: str, body: Any) -> None:
    assert http(recorder, "POST", f"/v1/takedowns{path}", body).status == 400
    assert recorder.asked == []


def test_without_keys_nobody_may_administer(tmp_path: Path) -> None:
    recorder = Recorder()
    reply = call(recorder, "GET", "/v1/takedowns")
    assert (reply.status, reply.body["type"]) == (403, "permission-denied")
    assert "keys_file" in reply.body["detail"]
    assert recorder.asked == []
