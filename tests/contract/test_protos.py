"""The generated code is that of the protos, and the protos are complete mirrors of the coordinator's values."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.message import Message

from coordinator import read_counts, requests, results, values
from coordinator.api.proto_comments import field_comments
from protos.coordinator.v1 import coordinator_pb2
from protos.generate import stale_files
from protos.shard.v1 import shard_pb2

ROOT = Path(__file__).parents[2]


def test_generated_code_is_current() -> None:
    pytest.importorskip("grpc_tools", reason="grpcio-tools is a development dependency")
    assert stale_files() == []


def test_the_protos_keep_the_rules_of_buf() -> None:
    buf = Path(sys.executable).with_name("buf")
    if not buf.exists():
        pytest.skip("buf-bin is a development dependency")
    command = [buf, "lint", "--config", "protos/buf.yaml", "--path", "protos"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_field_of_the_coordinators_protos_is_explained() -> None:
    comments = field_comments()
    fields = {
        message: {field.name for field in descriptor.fields}
        for message, descriptor in coordinator_pb2.DESCRIPTOR.message_types_by_name.items()
    }
    assert {message: set(of_message) for message, of_message in comments.items()} == fields
    assert [name for of_message in comments.values() for name, comment in of_message.items() if not comment] == []


# Fields of a value that its message spells otherwise.
_RENAMED = {"metadata": "metadata_json"}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (requests.TraceOptions, coordinator_pb2.TraceOptions),
        (results.Trace, coordinator_pb2.Trace),
        (results.SpansFound, coordinator_pb2.TraceSpans),
        (results.DocumentsFound, coordinator_pb2.TraceDocuments),
        (results.Ranking, coordinator_pb2.TraceRanking),
        (results.DocumentRank, coordinator_pb2.DocumentRank),
        (results.Span, coordinator_pb2.Span),
        (results.MergedSpan, coordinator_pb2.MergedSpan),
        (results.Document, coordinator_pb2.Document),
        (results.Snippet, coordinator_pb2.Snippet),
        (results.Coverage, coordinator_pb2.Coverage),
        (results.CorpusCoverage, coordinator_pb2.CorpusCoverage),
        (results.Timings, coordinator_pb2.Timings),
        (results.Count, coordinator_pb2.CountResponse),
        (results.DocumentText, coordinator_pb2.GetDocumentResponse),
        (results.Description, coordinator_pb2.Description),
        (results.CorpusDescription, coordinator_pb2.CorpusDescription),
        (values.FailedShard, coordinator_pb2.FailedShard),
        (values.ShardDescription, coordinator_pb2.Shard),
        (read_counts.TraceStats, coordinator_pb2.TraceStats),
        (read_counts.ReadCounts, coordinator_pb2.ReadCounts),
        (read_counts.ReadCounts, shard_pb2.ReadCounts),
    ],
)
def test_a_message_has_the_fields_of_its_value(value: type, message: type[Message]) -> None:
    names = {_RENAMED.get(field.name, field.name) for field in dataclasses.fields(value)}
    assert {field.name for field in message.DESCRIPTOR.fields} == names


@pytest.mark.parametrize("kind", [coordinator_pb2.TraceRequest, coordinator_pb2.TraceStreamRequest])
def test_a_request_has_the_fields_of_its_value_and_a_time(kind: type[Message]) -> None:
    names = {field.name for field in dataclasses.fields(requests.TraceRequest)}
    assert {field.name: field.number for field in kind.DESCRIPTOR.fields} == {
        field.name: field.number for field in coordinator_pb2.TraceRequest.DESCRIPTOR.fields
    }
    assert {field.name for field in kind.DESCRIPTOR.fields} == names | {"timeout_ms"}


def test_every_relevance_and_ranking_has_a_number() -> None:
    known = set(results.Relevance) - {results.Relevance.UNKNOWN}
    assert set(coordinator_pb2.Relevance.keys()) == {"RELEVANCE_UNSPECIFIED"} | {
        f"RELEVANCE_{relevance.name}" for relevance in known
    }
    assert set(coordinator_pb2.SpanRanking.keys()) == {"SPAN_RANKING_UNSPECIFIED"} | {
        f"SPAN_RANKING_{ranking.name}" for ranking in requests.SpanRanking
    }
