"""Values as JSON and back."""

import json
from dataclasses import fields
from typing import Any

import pytest

from coordinator.api.json_codec import dumps, from_json, parse_document_id, parse_shard_id, to_json
from coordinator.errors import InvalidRequestError
from coordinator.requests import SpanRanking, TraceOptions
from coordinator.results import Document, Timings, Trace
from coordinator.values import DocumentId, ShardId
from tests.unit.coordinator.api.samples import TRACE


def test_trace_survives_the_round_trip() -> None:
    assert from_json(Trace, json.loads(dumps(TRACE))) == TRACE


def test_options_survive_the_round_trip() -> None:
    options = TraceOptions(delimiters=("\n",), span_ranking=SpanRanking.LENGTH)
    assert from_json(TraceOptions, json.loads(dumps(options))) == options


def test_names_and_their_order_are_those_of_the_values() -> None:
    raw = to_json(TRACE)
    assert list(raw) == [field.name for field in fields(Trace)]
    assert list(raw["documents"][0]) == [field.name for field in fields(Document)]


def test_document_id_is_corpus_colon_shard_colon_number() -> None:
    assert to_json(TRACE)["documents"][0]["id"] == "pre:3:1099511627776"
    assert parse_document_id("default:2:17") == DocumentId("default", 2, 17)


def test_shard_id_is_corpus_colon_number() -> None:
    assert to_json(TRACE)["coverage"]["corpora"][0]["failed_shards"][0]["shard"] == "pre:1"
    assert parse_shard_id("default:2") == ShardId("default", 2)


@pytest.mark.parametrize("text", ["", "2", "pre:", ":1", "pre:a", "pre:1:2", "pre:¹"])
def test_malformed_shard_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError, match="expected 'corpus:number'"):
        parse_shard_id(text)


@pytest.mark.parametrize("text", ["", "2", "2:17", "a:2:", "a::17", ":1:2", "a:-1:2", "a:1:2:3", "a:1: 2", "a:¹:2"])
def test_malformed_document_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError, match="expected 'corpus:shard:number'"):
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
