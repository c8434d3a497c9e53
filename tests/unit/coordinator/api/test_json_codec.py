"""Values as JSON and back."""

import json
from dataclasses import fields
from typing import Any

import pytest

from coordinator.api.json_codec import dumps, from_json, parse_document_id, to_json
from coordinator.errors import InvalidRequestError
from coordinator.read_counts import ReadCounts, TraceStats
from coordinator.requests import SpanRanking, TraceOptions
from coordinator.results import Coverage, Document, MergedSpan, Relevance, Snippet, Span, Timings, Trace
from coordinator.values import DocumentId, FailedShard, ShardId

TRACE = Trace(
    answer="Ünïted \x1b one",
    num_tokens=4,
    spans=(Span(1, 3, 0, 4, "Ünïted", 7, -12.5, Relevance.HIGH, (0,)),),
    merged_spans=(MergedSpan(1, 3, 0, 4, "Ünïted", Relevance.HIGH, (0,), (0,)),),
    documents=(
        Document(
            id=DocumentId("default", 2, 17),
            source="book",
            url="",
            metadata={"path": "a.txt", "metadata": {"tags": ["x", None, 1.5, True]}},
            num_tokens=30,
            start=0,
            end=30,
            text="text",
            score=3.25,
            relevance_score=0.75,
            relevance=Relevance.HIGH,
            snippets=(Snippet("text", 0, 4, 0, 3, 5),),
            spans=(0,),
        ),
    ),
    num_maximal_spans=3,
    coverage=Coverage(2, 1, 99, complete=False, failed_shards=(FailedShard(ShardId("default", 1), "gone"),)),
    timings=Timings(1, 2.5, 3, 4, 5, 15.5),
    stats=TraceStats(5, 2.6, ReadCounts(1, 2, 3, 4, 2**40), ReadCounts(5, 6, 7, 8, 9)),
    index_id="abc",
)


def test_trace_survives_the_round_trip() -> None:
    assert from_json(Trace, json.loads(dumps(TRACE))) == TRACE


def test_options_survive_the_round_trip() -> None:
    options = TraceOptions(delimiters=("\n",), span_ranking=SpanRanking.LENGTH)
    assert from_json(TraceOptions, json.loads(dumps(options))) == options


def test_names_and_their_order_are_those_of_the_values() -> None:
    raw = to_json(TRACE)
    assert list(raw) == [field.name for field in fields(Trace)]
    assert list(raw["documents"][0]) == [field.name for field in fields(Document)]


def test_document_id_is_shard_colon_number() -> None:
    assert to_json(TRACE)["documents"][0]["id"] == "2:17"
    assert parse_document_id("2:17") == DocumentId("default", 2, 17)


@pytest.mark.parametrize("text", ["", "2", "2:", ":17", "a:1", "-1:2", "1:2:3", "1: 2", "¹:2"])
def test_malformed_document_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError, match="expected 'shard:number'"):
        parse_document_id(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_tokens": "4"}, "Trace.num_tokens: '4', expected int"),
        ({"num_tokens": True}, "Trace.num_tokens: True, expected int"),
        ({"spans": {}}, "Trace.spans: {}, expected list"),
        ({"timings": []}, "Trace.timings: .*, expected dict"),
        ({"extra": 1}, "unknown field 'extra'"),
    ],
)
def test_wrong_shape_is_refused_by_name(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        from_json(Trace, to_json(TRACE) | change)


def test_missing_field_is_refused_by_name() -> None:
    raw = to_json(TRACE)
    del raw["answer"]
    with pytest.raises(InvalidRequestError, match="field 'answer' is missing"):
        from_json(Trace, raw)


def test_unknown_enum_value_is_refused_with_those_allowed() -> None:
    raw = to_json(TRACE)
    raw["spans"][0]["relevance"] = "huge"
    with pytest.raises(InvalidRequestError, match="'huge', expected one of 'high', 'medium', 'low'"):
        from_json(Trace, raw)


def test_number_that_json_cannot_hold_is_not_written() -> None:
    with pytest.raises(ValueError, match="cannot be written as JSON"):
        to_json(Timings(float("nan"), 0, 0, 0, 0, 0))
