"""What goes over the wire comes back the same."""

from dataclasses import replace

import pytest

from coordinator.api import codec
from coordinator.errors import InvalidRequestError
from coordinator.read_counts import ReadCounts, TraceStats
from coordinator.requests import SpanRanking, TraceOptions, TraceRequest
from coordinator.results import (
    Count,
    Coverage,
    Document,
    DocumentText,
    IndexDescription,
    MergedSpan,
    Relevance,
    Snippet,
    Span,
    Timings,
    Trace,
)
from coordinator.values import DocumentId, FailedShard, ShardDescription, ShardId
from protos.coordinator.v1 import coordinator_pb2 as pb

METADATA = {"source": "naïve", "list": [1, None, {"deep": 2.5}]}
COVERAGE = Coverage(3, 2, 2**40, False, (FailedShard(ShardId("default", 1), "127.0.0.1:7002: UNAVAILABLE: refused"),))
TRACE = Trace(
    answer="a naïve 🦊",
    num_tokens=7,
    spans=(Span(1, 3, 2, 7, "naïve", 2**40, -12.345678901234567, Relevance.HIGH, (0,)),),
    merged_spans=(MergedSpan(1, 3, 2, 7, "naïve", Relevance.MEDIUM, (0,), (0,)),),
    documents=(
        Document(
            id=DocumentId("default", 3, 2**40),
            source="wiki",
            url="https://example.org",
            metadata=METADATA,
            num_tokens=2**33,
            start=5,
            end=505,
            text="text 🦊",
            score=0.1 + 0.2,
            relevance_score=1 / 3,
            relevance=Relevance.LOW,
            snippets=(Snippet("snippet", 1, 4, 0, 2**33, 2**33 + 2),),
            spans=(0,),
        ),
    ),
    num_maximal_spans=9,
    coverage=COVERAGE,
    timings=Timings(0.1, 0.2, 0.3, 0.4, 0.5, 1.5),
    stats=TraceStats(5, 2.6, ReadCounts(1, 2, 3, 4, 2**40), ReadCounts(5, 6, 7, 8, 9)),
    index_id="0123456789abcdef",
)


def through_bytes(message: object) -> object:
    return type(message).FromString(message.SerializeToString())  # type: ignore[attr-defined]


def test_a_trace_comes_back_the_same() -> None:
    assert codec.decode_trace(through_bytes(codec.encode_trace(TRACE))) == TRACE  # type: ignore[arg-type]


def test_an_empty_trace_comes_back_the_same() -> None:
    empty = replace(TRACE, spans=(), merged_spans=(), documents=(), coverage=replace(COVERAGE, failed_shards=()))
    assert codec.decode_trace(through_bytes(codec.encode_trace(empty))) == empty  # type: ignore[arg-type]


def test_a_count_comes_back_the_same() -> None:
    count = Count(3, 2**50, COVERAGE)
    assert codec.decode_count(through_bytes(codec.encode_count(count))) == count  # type: ignore[arg-type]


def test_a_document_comes_back_the_same() -> None:
    document = DocumentText(DocumentId("default", 0, 7), 10, 2, 4, "b c", METADATA)
    assert codec.decode_document_text(through_bytes(codec.encode_document_text(document))) == document  # type: ignore[arg-type]


def test_an_index_description_comes_back_the_same() -> None:
    shard = ShardDescription(ShardId("default", 0), "id", 1, 2, "f" * 64, 2**40, 2**30)
    index = IndexDescription("id", "web", "pre", "f" * 64, 2, 2, (shard,), COVERAGE.failed_shards, 50_000)
    assert codec.decode_index(through_bytes(codec.encode_index(index))) == index  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [
        TraceOptions(),
        TraceOptions((), True, 3, 2**62, 0.123456789, SpanRanking.LENGTH, 0, 0, 0, 2**62),
        TraceOptions(delimiters=("\n", ".", "。")),
    ],
)
def test_a_request_comes_back_the_same(options: TraceOptions) -> None:
    request = TraceRequest("answer", "prompt", options)
    message = codec.encode_trace_request(request, 1500)
    assert message.timeout_ms == 1500
    assert codec.decode_trace_request(through_bytes(message)) == request  # type: ignore[arg-type]


def test_absent_options_have_their_defaults() -> None:
    assert codec.decode_trace_request(pb.TraceRequest(answer="a")) == TraceRequest("a")
    some = pb.TraceRequest(answer="a", options=pb.TraceOptions(min_span_tokens=4, span_ranking=pb.SPAN_RANKING_LENGTH))
    expected = TraceOptions(min_span_tokens=4, span_ranking=SpanRanking.LENGTH)
    assert codec.decode_trace_request(some).options == expected


def test_an_unknown_ranking_is_refused() -> None:
    message = pb.TraceRequest(answer="a", options=pb.TraceOptions(span_ranking=99))  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match="span ranking 99, expected one of"):
        codec.decode_trace_request(message)


@pytest.mark.parametrize(
    "request_",
    [
        TraceRequest("a", options=TraceOptions(min_span_tokens=-1)),
        TraceRequest("a", options=TraceOptions(seed=2**64)),
        TraceRequest("a", options=TraceOptions(delimiters=(7,))),  # type: ignore[arg-type]
        TraceRequest("a \ud800 b"),
    ],
)
def test_what_no_message_can_hold_is_an_invalid_request(request_: TraceRequest) -> None:
    with pytest.raises(InvalidRequestError):
        codec.encode_trace_request(request_, 0)
