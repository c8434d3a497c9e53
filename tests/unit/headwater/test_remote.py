"""What a client makes of calls that failed before they reached a coordinator."""

from dataclasses import dataclass

import grpc
import pytest

import headwater
from coordinator.errors import OverloadedError, RequestTooLargeError, ShardUnavailableError


@dataclass
class Call:
    """A failed call."""

    status: grpc.StatusCode
    message: str

    def code(self) -> grpc.StatusCode:
        return self.status

    def details(self) -> str:
        return self.message

    def trailing_metadata(self) -> None:
        return None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (Call(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded"), "h:1: no answer within 2.5 s"),
        (
            Call(grpc.StatusCode.UNAVAILABLE, "Received http2 header with status: 503"),
            "h:1: a proxy finds no coordinator there (HTTP 503)",
        ),
        (
            Call(grpc.StatusCode.UNIMPLEMENTED, "Received http2 header with status: 404"),
            "h:1: answers HTTP but not gRPC; this looks like the coordinator's HTTP port, connect to its gRPC port",
        ),
        (Call(grpc.StatusCode.INTERNAL, "odd"), "h:1: INTERNAL: odd"),
    ],
)
def test_a_failed_call_is_told_by_what_the_caller_can_do(call: Call, message: str) -> None:
    with headwater.connect("h:1") as remote:
        error = remote._fault(call, 2.5)  # type: ignore[arg-type]
    assert type(error) is ShardUnavailableError
    assert (str(error), error.request_id) == (message, "")


def test_a_refusal_of_what_stands_before_the_coordinator_is_told_as_one_of_its_own() -> None:
    with headwater.connect("h:1") as remote:
        size = "SERVER: Received message larger than max (70 vs. 67)"
        too_large = remote._fault(Call(grpc.StatusCode.RESOURCE_EXHAUSTED, size), 1.0)  # type: ignore[arg-type]
        dropped = remote._fault(Call(grpc.StatusCode.RESOURCE_EXHAUSTED, "backpressure"), 1.0)  # type: ignore[arg-type]
    assert isinstance(too_large, RequestTooLargeError)
    assert type(dropped) is OverloadedError
    assert dropped.retry_after_s == 1.0
