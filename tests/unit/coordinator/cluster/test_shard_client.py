"""One server asked for one shard: what is cut into parts, and what becomes of the ways in which a call ends."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest

from coordinator.cluster.shard_client import ShardClient, TryFailedError, split_windows
from coordinator.errors import ConfigurationError, DocumentNotFoundError
from coordinator.values import Query, WindowQuery
from protos.shard.v1 import shard_pb2 as pb
from runtime import request_id
from shard_server.config import ShardServerConfig
from tests.unit.coordinator.cluster.fake_servers import CORPUS
from tests.virtual_time import run

QUERY = Query("", *[np.array([1, 2], np.uint32)] * 4)
WINDOWS = WindowQuery(ranks=(5,), token_ids=((7, 8),), context_tokens=9, snippet_tokens=4)


class FakeMethod:
    """A method of a stub that does as a test says."""

    def __init__(self, outcome: Callable[[], Any]):
        self.outcome = outcome
        self.requests: list[tuple[Any, float, Any]] = []

    async def __call__(self, request: Any, timeout: float, metadata: Any) -> Any:  # noqa: ASYNC109 - as grpc names it
        self.requests.append((request, timeout, metadata))
        return self.outcome()


class FakeChannel:
    """A channel whose every method is one."""

    def __init__(self, outcome: Callable[[], Any]):
        self.method = FakeMethod(outcome)

    def unary_unary(self, *_: Any, **__: Any) -> FakeMethod:
        return self.method


def client(outcome: Callable[[], Any]) -> tuple[ShardClient, FakeMethod]:
    channel: Any = FakeChannel(outcome)
    return ShardClient(CORPUS, 0, "h:1", channel), channel.method


def refuse(status: grpc.StatusCode, details: str = "made up") -> Callable[[], Any]:
    def outcome() -> Any:
        raise grpc.aio.AioRpcError(status, grpc.aio.Metadata(), grpc.aio.Metadata(), details)

    return outcome


def raising(error: BaseException) -> Callable[[], Any]:
    def outcome() -> Any:
        raise error

    return outcome


@pytest.mark.parametrize(
    ("num_windows", "context", "length"), [(0, 250, 3), (1, 250, 3), (1024, 1, 1), (5000, 250, 3), (9, 2000, 200_000)]
)
def test_the_parts_make_the_whole_and_fit_the_server_s_limits(num_windows: int, context: int, length: int) -> None:
    query = WindowQuery(tuple(range(num_windows)), ((0,) * length,) * num_windows, context, 40)
    parts = list(split_windows(query))
    limits = {name: field.default for name, field in ShardServerConfig.model_fields.items()}
    assert tuple(rank for part in parts for rank in part.ranks) == query.ranks
    assert tuple(each for part in parts for each in part.lengths) == query.lengths
    for part in parts:
        assert 0 < len(part.ranks) <= limits["max_windows"]
        assert sum(part.lengths) + 2 * context * len(part.ranks) <= limits["max_window_tokens"]
        assert (part.context_tokens, part.snippet_tokens) == (context, 40)


def test_a_call_carries_index_deadline_and_request_id() -> None:
    asking, method = client(refuse(grpc.StatusCode.UNAVAILABLE))
    with request_id.serving_request("abc"), pytest.raises(TryFailedError):
        run(asking.longest_matches(QUERY, 1.5))
    ((request, timeout, metadata),) = method.requests
    assert (request.index_id, timeout) == (CORPUS.index.index_id, 1.5)
    assert metadata == (("x-request-id", "abc"),)


def test_a_call_for_no_request_carries_nothing() -> None:
    asking, method = client(refuse(grpc.StatusCode.UNAVAILABLE))
    with pytest.raises(TryFailedError):
        run(asking.longest_matches(QUERY, 1.5))
    assert method.requests[0][2] is None


@pytest.mark.parametrize(
    "status", [one for one in grpc.StatusCode if one.name not in ("INVALID_ARGUMENT", "NOT_FOUND")]
)
def test_what_another_replica_may_do_better_is_a_failed_try(status: grpc.StatusCode) -> None:
    asking, _ = client(refuse(status))
    with pytest.raises(TryFailedError) as raised:
        run(asking.longest_matches(QUERY, 1.5))
    assert raised.value.status == status.name


def test_what_every_replica_would_say_is_an_answer() -> None:
    with pytest.raises(DocumentNotFoundError, match="no document 7"):
        run(client(refuse(grpc.StatusCode.NOT_FOUND, "no document 7"))[0].get_document(7, 0, 1, 1.0))
    with pytest.raises(ConfigurationError, match=r"h:1: shard c:0 refused a request.*too long"):
        run(client(refuse(grpc.StatusCode.INVALID_ARGUMENT, "too long"))[0].get_document(7, 0, 1, 1.0))


def test_a_reason_is_one_line_of_bounded_length() -> None:
    asking, _ = client(refuse(grpc.StatusCode.INTERNAL, "a\nb" * 1000))
    with pytest.raises(TryFailedError) as raised:
        run(asking.longest_matches(QUERY, 1.5))
    assert len(raised.value.reason) == 200
    assert "\n" not in raised.value.reason


@pytest.mark.parametrize("error", [grpc.aio.UsageError("Channel is closed."), asyncio.CancelledError()])
def test_a_channel_that_is_closed_under_a_call_is_a_failed_try(error: BaseException) -> None:
    asking, _ = client(raising(error))
    with pytest.raises(TryFailedError, match="UNAVAILABLE: the connection was closed"):
        run(asking.longest_matches(QUERY, 1.5))


def test_a_caller_that_leaves_is_not_kept() -> None:
    async def main() -> None:
        waiting = asyncio.Event()

        async def never(*_: Any, **__: Any) -> None:
            waiting.set()
            await asyncio.Event().wait()

        asking, method = client(lambda: None)
        asking._stub.LongestMatches = never
        call = asyncio.create_task(asking.longest_matches(QUERY, 1.5))
        await waiting.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert not method.requests

    run(main())


def test_an_answer_that_cannot_be_read_is_a_failed_try() -> None:
    with pytest.raises(TryFailedError, match="INTERNAL: the answer cannot be read"):
        run(client(lambda: None)[0].longest_matches(QUERY, 1.5))  # grpc.aio gives None for it
    wrong = pb.LongestMatchesResponse(starts=b"abc")
    with pytest.raises(TryFailedError, match="INTERNAL: a shard server answered 3 bytes of starts"):
        run(client(lambda: wrong)[0].longest_matches(QUERY, 1.5))


def test_a_window_without_the_tokens_of_its_rank_is_data_loss() -> None:
    numbers = (7).to_bytes(8, "little")
    response = pb.GetWindowsResponse(
        documents=numbers,
        document_lengths=numbers,
        starts=numbers,
        ends=numbers,
        match_starts=numbers,
        match_token_ids=b"\x07\0\0\0\x09\0\0\0",
        texts=["secret"],
        match_chars=numbers,
        snippet_chars=numbers,
        metadata=[""],
    )
    with pytest.raises(TryFailedError, match=r"DATA_LOSS: .*does not hold the 2 tokens") as raised:
        run(client(lambda: response)[0].get_windows(WINDOWS, 1.5))
    assert "secret" not in str(raised.value)
    response.match_token_ids = b"\x07\0\0\0\x08\0\0\0"
    assert len(run(client(lambda: response)[0].get_windows(WINDOWS, 1.5)).windows) == 1
