"""Requests over the wire and back."""

from typing import Any

import pytest

from coordinator.api.request_codec import (
    decode_count_request,
    decode_trace_request,
    encode_count_request,
    encode_trace_request,
)
from coordinator.errors import InvalidRequestError
from coordinator.requests import CountRequest, SpanRanking, TraceOptions, TraceRequest
from protos.coordinator.v1 import coordinator_pb2 as pb


def through_bytes(message: Any) -> Any:
    return type(message).FromString(message.SerializeToString())


@pytest.mark.parametrize("kind", [pb.TraceRequest, pb.TraceStreamRequest])
@pytest.mark.parametrize(
    "options",
    [
        TraceOptions(),
        TraceOptions((), True, 3, 2**62, 0.123456789, SpanRanking.LENGTH, 0, 0, 0, 2**62),
        TraceOptions(delimiters=("\n", ".", "。")),
    ],
)
def test_a_request_comes_back_the_same(options: TraceOptions, kind: Any) -> None:
    request = TraceRequest("answer", "prompt", options, ("pre", "post"), True)
    message = encode_trace_request(request, 1500, kind)
    assert message.timeout_ms == 1500
    assert decode_trace_request(through_bytes(message)) == request


def test_a_request_to_count_comes_back_the_same() -> None:
    request = CountRequest("text", ("pre",), True)
    message = encode_count_request(request, 1500)
    assert message.timeout_ms == 1500
    assert decode_count_request(through_bytes(message)) == request


def test_absent_options_have_their_defaults() -> None:
    assert decode_trace_request(pb.TraceRequest(answer="a")) == TraceRequest("a")
    some = pb.TraceRequest(answer="a", options=pb.TraceOptions(min_span_tokens=4, span_ranking=pb.SPAN_RANKING_LENGTH))
    expected = TraceOptions(min_span_tokens=4, span_ranking=SpanRanking.LENGTH)
    assert decode_trace_request(some).options == expected


def test_an_unknown_ranking_is_refused_by_field() -> None:
    message = pb.TraceRequest(answer="a", options=pb.TraceOptions(span_ranking=99))  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match="span ranking 99, expected one of") as raised:
        decode_trace_request(message)
    assert raised.value.field == "options.span_ranking"


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
        encode_trace_request(request_, 0, pb.TraceRequest)
