"""Errors as statuses with details, and back."""

from dataclasses import dataclass
from typing import Any

import pytest
from google.rpc import error_details_pb2, status_pb2

from coordinator.api.rich_status import DETAILS_KEY, error_of, trailing_metadata
from coordinator.api.status import FAULTS, told
from coordinator.errors import (
    CoordinatorError,
    InvalidRequestError,
    NoShardAnsweredError,
    OverloadedError,
    RateLimitedError,
    RequestTooLargeError,
)


@dataclass
class Call:
    """A failed call, as far as it is looked at."""

    metadata: Any

    def trailing_metadata(self) -> Any:
        return self.metadata


def sent(error: Exception) -> list[tuple[str, str | bytes]]:
    return trailing_metadata(told(error), "r-1")


def details(error: Exception) -> status_pb2.Status:
    return status_pb2.Status.FromString(dict(sent(error))[DETAILS_KEY])  # type: ignore[arg-type]


def made(kind: type[CoordinatorError]) -> CoordinatorError:
    return kind("what was wrong", 2.5) if issubclass(kind, OverloadedError) else kind("what was wrong")


@pytest.mark.parametrize("kind", FAULTS)
def test_every_error_comes_back_as_what_it_was(kind: type[CoordinatorError]) -> None:
    back = error_of(Call(sent(made(kind))))  # type: ignore[arg-type]
    assert type(back) is kind
    assert (str(back), back.request_id) == ("what was wrong", "r-1")


def test_what_an_error_carries_comes_back_too() -> None:
    overloaded = error_of(Call(sent(RateLimitedError("too much", 1.25))))  # type: ignore[arg-type]
    assert isinstance(overloaded, RateLimitedError)
    assert overloaded.retry_after_s == 1.25
    invalid = error_of(Call(sent(InvalidRequestError("seed is -1", "options.seed"))))  # type: ignore[arg-type]
    assert isinstance(invalid, InvalidRequestError)
    assert invalid.field == "options.seed"


def test_the_details_are_those_that_grpc_libraries_know() -> None:
    status = details(RequestTooLargeError("too large", "answer"))
    kinds = (error_details_pb2.ErrorInfo(), error_details_pb2.RequestInfo(), error_details_pb2.BadRequest())
    assert all(packed.Unpack(kind) for packed, kind in zip(status.details, kinds, strict=True))
    assert (kinds[0].reason, kinds[0].domain) == ("REQUEST_TOO_LARGE", "headwater")
    assert kinds[1].request_id == "r-1"
    assert [(each.field, each.description) for each in kinds[2].field_violations] == [("answer", "too large")]
    retry = error_details_pb2.RetryInfo()
    assert details(OverloadedError("busy", 0.5)).details[2].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 500


def test_grpc_is_told_not_to_retry_what_the_coordinator_has_tried() -> None:
    assert dict(sent(NoShardAnsweredError("none")))["grpc-retry-pushback-ms"] == "-1"


def test_a_long_message_is_cut_so_that_it_fits_the_headers() -> None:
    error = NoShardAnsweredError("shard 🦊 does not answer; " * 10_000)
    metadata = sent(error)
    assert sum(len(key) + len(value) for key, value in metadata) < 2_000
    assert len(told(error).message.encode()) < 1_010
    assert told(error).message.startswith("shard 🦊 does not answer; shard")


def test_a_lone_surrogate_in_a_message_does_not_stop_it() -> None:
    assert told(InvalidRequestError("there is no corpus '\ud800'")).message == "there is no corpus '?'"


def test_a_bug_is_told_without_its_text() -> None:
    back = error_of(Call(sent(RuntimeError("secret"))))  # type: ignore[arg-type]
    assert type(back) is CoordinatorError
    assert str(back) == "The coordinator failed; its log says why"


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        [],
        [(DETAILS_KEY, b"\xff\xff no status")],
        [(DETAILS_KEY, status_pb2.Status(code=3, message="x").SerializeToString())],
    ],
)
def test_a_status_that_is_none_of_ours_is_no_error_of_ours(metadata: Any) -> None:
    assert error_of(Call(metadata)) is None  # type: ignore[arg-type]
