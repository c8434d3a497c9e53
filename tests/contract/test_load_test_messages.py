"""What the load test sends and reads is what the servers take and say: it cannot drift from the protos or the JSON."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from google.protobuf.json_format import Parse

from coordinator.api import codec, event_codec
from coordinator.api.http_events import KINDS
from coordinator.api.http_models import CountBody, TraceBody
from coordinator.api.json_codec import dumps
from coordinator.results import Count, TraceEvent
from loadtest.messages import Message, MessageMaker, http_body, http_path, rpc_path
from loadtest.replies import OK, Received, read_body, read_messages
from loadtest.results import BAD_ANSWER
from loadtest.workloads import Question, Texts, Workload
from protos.coordinator.v1 import coordinator_pb2 as pb
from tests.unit.coordinator.api.samples import COVERAGE, EVENTS, TRACE, WITHHELD

DESCRIBED = json.loads((Path(__file__).resolve().parents[2] / "docs" / "openapi.json").read_text(encoding="utf-8"))
TEXTS = Texts((Question("Who naïve?", "An answer 🦊."),), (Question("", "Made\nof a corpus."),), ("one two three",))
MAKER = MessageMaker(TEXTS, 2500, True, "run")
MESSAGES = [MAKER.message(workload, 0, serial) for workload in Workload for serial in (0, 7)]
COUNT = Count(3, 2**40, COVERAGE, WITHHELD)
BODIES = {pb.TraceRequest: TraceBody, pb.TraceStreamRequest: TraceBody, pb.CountRequest: CountBody}


def test_every_kind_of_message_is_sent() -> None:
    assert {type(message) for message in MESSAGES} == set(BODIES)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_the_rpc_takes_the_message(message: Message) -> None:
    service, _, method = rpc_path(type(message)).removeprefix("/").partition("/")
    described = pb.DESCRIPTOR.services_by_name[service.rpartition(".")[2]]
    assert described.full_name == service
    assert described.methods_by_name[method].input_type is message.DESCRIPTOR


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_the_body_is_what_the_page_describes_and_the_server_takes(message: Message) -> None:
    body = json.loads(http_body(message))
    operation = DESCRIBED["paths"][http_path(type(message))]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    jsonschema.validate(body, {**schema, "components": DESCRIBED["components"]}, jsonschema.Draft202012Validator)
    BODIES[type(message)].model_validate_json(http_body(message))
    assert Parse(http_body(message), type(message)()) == message


def test_a_cold_request_differs_in_its_prompt_alone() -> None:
    hot, cold, other = (MAKER.message(Workload.CONVERSATIONS, 0, serial) for serial in (0, 7, 8))
    assert isinstance(hot, pb.TraceRequest)
    assert isinstance(cold, pb.TraceRequest)
    assert hot.prompt == "Who naïve?"
    assert cold.prompt.startswith(hot.prompt)
    assert cold != other
    cold.prompt = hot.prompt
    assert cold == hot


def events(which: tuple[TraceEvent, ...]) -> bytes:
    """As `coordinator.api.http_events` writes them."""
    return b"".join(f"event: {KINDS[type(event)]}\ndata: {dumps(event, indent=None)}\n\n".encode() for event in which)


def test_what_the_server_says_is_read_over_both() -> None:
    over_grpc = [
        (pb.TraceRequest, (codec.encode_trace(TRACE).SerializeToString(),)),
        (pb.CountRequest, (codec.encode_count(COUNT).SerializeToString(),)),
        (pb.TraceStreamRequest, tuple(event_codec.encode_event(event).SerializeToString() for event in EVENTS)),
    ]
    over_http = [
        (pb.TraceRequest, dumps(TRACE, indent=None).encode()),
        (pb.CountRequest, dumps(COUNT, indent=None).encode()),
        (pb.TraceStreamRequest, events(EVENTS)),
    ]
    replies = [read_messages(kind, Received(OK, parts)) for kind, parts in over_grpc]
    replies += [read_body(kind, Received(OK, (content,))) for kind, content in over_http]
    cached = [TRACE.cached, False, EVENTS[-1].cached] * 2  # type: ignore[union-attr]
    for reply, is_cached in zip(replies, cached, strict=True):
        assert (reply.code, reply.complete, reply.cached) == (OK, False, is_cached)
        assert reply.coverage == pytest.approx(1 / 3)
        assert reply.answer


def test_what_is_no_whole_answer_is_an_error() -> None:
    stream = tuple(event_codec.encode_event(event).SerializeToString() for event in EVENTS[:-1])
    for kind, parts in ((pb.TraceStreamRequest, stream), (pb.TraceStreamRequest, ()), (pb.TraceRequest, (b"\xff",))):
        assert read_messages(kind, Received(OK, parts)).code == BAD_ANSWER
    for kind, content in (
        (pb.TraceStreamRequest, events(EVENTS[:-1])),
        (pb.TraceStreamRequest, b""),
        (pb.TraceRequest, b"[]"),
        (pb.CountRequest, b"{"),
    ):
        assert read_body(kind, Received(OK, (content,))).code == BAD_ANSWER


def test_a_stream_that_fails_in_the_middle_has_the_code_of_its_problem() -> None:
    problem = b'event: error\ndata: {"type": "overloaded", "title": "t", "status": 429}\n\n'
    assert read_body(pb.TraceStreamRequest, Received(OK, (events(EVENTS[:1]) + problem,))).code == "HTTP 429"
    assert read_messages(pb.TraceRequest, Received("UNAVAILABLE")).code == "UNAVAILABLE"
    assert read_body(pb.TraceRequest, Received("HTTP 503")).code == "HTTP 503"


def test_the_processes_that_send_know_nothing_of_headwater_but_the_protos() -> None:
    ours = ["headwater", "coordinator", "suffix_engine", "shard_server", "indexing", "index_format", "runtime", "bench"]
    script = (
        f"import sys, loadtest.client_process as _; sys.exit([each for each in {ours} if each in sys.modules] or 0)"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
