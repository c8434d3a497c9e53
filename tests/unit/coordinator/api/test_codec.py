"""What goes over the wire comes back the same."""

from dataclasses import replace
from typing import Any

import pytest

from coordinator.api import codec
from coordinator.api.description_codec import decode_description, encode_description
from coordinator.api.event_codec import decode_event, encode_event
from coordinator.errors import InvalidRequestError
from coordinator.results import Count, Coverage, DocumentText, TraceEvent
from coordinator.values import DocumentId
from protos.coordinator.v1 import coordinator_pb2 as pb
from tests.unit.coordinator.api.samples import COVERAGE, DESCRIPTION, EVENTS, METADATA, TRACE, WITHHELD


def through_bytes(message: Any) -> Any:
    return type(message).FromString(message.SerializeToString())


def test_a_trace_comes_back_the_same() -> None:
    assert codec.decode_trace(through_bytes(codec.encode_trace(TRACE))) == TRACE


def test_an_empty_trace_comes_back_the_same() -> None:
    empty = replace(TRACE, spans=(), merged_spans=(), documents=(), coverage=Coverage(True, False, 1.0, ()))
    assert codec.decode_trace(through_bytes(codec.encode_trace(empty))) == empty


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_comes_back_the_same(event: TraceEvent) -> None:
    assert decode_event(through_bytes(encode_event(event))) == event


def test_an_event_of_no_known_kind_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="newer version"):
        decode_event(pb.TraceStreamResponse())


def test_a_count_comes_back_the_same() -> None:
    count = Count(3, 2**50, COVERAGE, WITHHELD)
    assert codec.decode_count(through_bytes(codec.encode_count(count))) == count


def test_a_document_comes_back_the_same() -> None:
    document = DocumentText(
        DocumentId("pre", 0, 7), "pre", "pre-training", "wiki", "https://x", 10, 2, 4, "b c", METADATA, "id", WITHHELD
    )
    assert codec.decode_document_text(through_bytes(codec.encode_document_text(document))) == document


def test_a_description_comes_back_the_same() -> None:
    assert decode_description(through_bytes(encode_description(DESCRIPTION))) == DESCRIPTION
