"""The generated code is that of the protos, and the protos are complete mirrors of the coordinator's values."""

import dataclasses

import pytest
from google.protobuf.message import Message

from coordinator import values
from protos.coordinator.v1 import coordinator_pb2
from protos.generate import stale_files
from protos.shard.v1 import shard_pb2


def test_generated_code_is_current() -> None:
    pytest.importorskip("grpc_tools", reason="grpcio-tools is a development dependency")
    assert stale_files() == []


# Fields of a value that its message spells otherwise.
_RENAMED = {"metadata": "metadata_json"}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (values.TraceOptions, coordinator_pb2.TraceOptions),
        (values.Trace, coordinator_pb2.Trace),
        (values.Span, coordinator_pb2.Span),
        (values.MergedSpan, coordinator_pb2.MergedSpan),
        (values.Document, coordinator_pb2.Document),
        (values.Snippet, coordinator_pb2.Snippet),
        (values.Coverage, coordinator_pb2.Coverage),
        (values.FailedShard, coordinator_pb2.FailedShard),
        (values.Timings, coordinator_pb2.Timings),
        (values.TraceStats, coordinator_pb2.TraceStats),
        (values.ReadCounts, coordinator_pb2.ReadCounts),
        (values.ReadCounts, shard_pb2.ReadCounts),
        (values.Count, coordinator_pb2.CountResponse),
        (values.DocumentText, coordinator_pb2.GetDocumentResponse),
        (values.IndexDescription, coordinator_pb2.Index),
        (values.ShardDescription, coordinator_pb2.Shard),
    ],
)
def test_a_message_has_the_fields_of_its_value(value: type, message: type[Message]) -> None:
    names = {_RENAMED.get(field.name, field.name) for field in dataclasses.fields(value)}
    assert {field.name for field in message.DESCRIPTOR.fields} == names


def test_every_relevance_and_ranking_has_a_number() -> None:
    assert set(coordinator_pb2.Relevance.keys()) == {"RELEVANCE_UNSPECIFIED"} | {
        f"RELEVANCE_{relevance.name}" for relevance in values.Relevance
    }
    assert set(coordinator_pb2.SpanRanking.keys()) == {"SPAN_RANKING_UNSPECIFIED"} | {
        f"SPAN_RANKING_{ranking.name}" for ranking in values.SpanRanking
    }
