"""One shard server over real gRPC: what it refuses, and how."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from index_format.errors import ManifestError, TokenizerError
from index_format.manifest import IndexManifest
from protos.shard.v1 import shard_pb2 as pb
from shard_server.config import ShardServerConfig
from shard_server.errors import AddressInUseError, ConfigError
from shard_server.shards import OpenShards, open_shards
from tests.integration.shard_calls import TEXTS, id_of, slow_document, status_of, u32, u64, write_two_shards
from tests.running_servers import shard_server, stub_of
from tests.tiny_index import byte_level_tokenizer


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return write_two_shards(tmp_path / "index")


@pytest.fixture
def index_id(index: Path) -> str:
    return id_of(index)


@pytest.mark.parametrize(
    ("rpc", "request_", "status", "details"),
    [
        ("LongestMatches", {"token_ids": b""}, "INVALID_ARGUMENT", "0 token_ids, this server takes 1 to 4"),
        ("LongestMatches", {"token_ids": u32(*[1] * 5)}, "INVALID_ARGUMENT", "5 token_ids"),
        ("LongestMatches", {"token_ids": u32(70_000)}, "INVALID_ARGUMENT", ""),
        ("LongestMatches", {"token_ids": u32(1), "cuts": u32(9)}, "INVALID_ARGUMENT", ""),
        (
            "LongestMatches",
            {"token_ids": u32(1), "shard": 5},
            "FAILED_PRECONDITION",
            "shard 5 is not served here, only 0",
        ),
        ("LongestMatches", {"token_ids": u32(1), "index_id": "x"}, "FAILED_PRECONDITION", "the request is for 'x'"),
        ("GetWindows", {"ranks": u64(*[0] * 9), "lengths": u32(*[1] * 9)}, "INVALID_ARGUMENT", "9 ranks"),
        ("GetWindows", {"ranks": u64(0), "lengths": u32(1), "context_tokens": 999}, "INVALID_ARGUMENT", "1999 tokens"),
        (
            "GetWindows",
            {"ranks": u64(0), "lengths": u32(1), "snippet_tokens": 1},
            "INVALID_ARGUMENT",
            "1 snippet_tokens",
        ),
        ("GetWindows", {"ranks": u64(10**9), "lengths": u32(1)}, "INVALID_ARGUMENT", ""),
        ("GetWindows", {"ranks": u64(0), "lengths": b""}, "INVALID_ARGUMENT", "0 lengths"),
        ("LongestMatches", {"token_ids": bytes(5)}, "INVALID_ARGUMENT", "5 bytes of token_ids, expected whole numbers"),
        ("LongestMatches", {"token_ids": u32(1), "word_starts": b"x"}, "INVALID_ARGUMENT", "1 bytes of word_starts"),
        ("LongestMatches", {"token_ids": u32(1), "cuts": bytes(7)}, "INVALID_ARGUMENT", "7 bytes of cuts"),
        ("GetWindows", {"ranks": bytes(12), "lengths": u32(1)}, "INVALID_ARGUMENT", "12 bytes of ranks"),
        ("GetWindows", {"ranks": u64(0), "lengths": bytes(6)}, "INVALID_ARGUMENT", "6 bytes of lengths"),
        ("GetWindows", {"ranks": u64(0), "lengths": u32(2**32 - 1)}, "INVALID_ARGUMENT", "tokens in the windows"),
        ("GetDocument", {"max_tokens": 0}, "INVALID_ARGUMENT", "0 max_tokens"),
        ("GetDocument", {"document": 10**9, "max_tokens": 1}, "NOT_FOUND", "shard 0"),
        ("GetDocument", {"start": 10**9, "max_tokens": 1}, "NOT_FOUND", "shard 0"),
    ],
)
def test_a_request_out_of_bounds_gets_a_status_that_says_what_is(
    index: Path, index_id: str, rpc: str, request_: dict[str, Any], status: str, details: str
) -> None:
    async def run() -> tuple[grpc.StatusCode, str]:
        limits = {"max_query_tokens": 4, "max_windows": 8, "max_window_tokens": 1000}
        async with shard_server(index, [0], **limits) as address, stub_of(address) as stub:
            message = getattr(pb, f"{rpc}Request")(**{"shard": 0, "index_id": index_id, **request_})
            return await status_of(getattr(stub, rpc)(message))

    code, found = asyncio.run(run())
    assert code.name == status
    assert details in found


def test_bytes_that_are_no_request_are_an_invalid_argument(index: Path) -> None:
    async def run() -> tuple[grpc.StatusCode, str]:
        async with shard_server(index) as address, grpc.aio.insecure_channel(address) as channel:
            return await status_of(channel.unary_unary("/protos.shard.v1.ShardService/Describe")(b"\xff\xff"))

    code, details = asyncio.run(run())
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "DescribeRequest" in details


def test_a_message_over_the_limit_is_refused(index: Path, index_id: str) -> None:
    async def run() -> tuple[grpc.StatusCode, str]:
        async with shard_server(index, max_request_bytes=65_536) as address, stub_of(address) as stub:
            return await status_of(stub.LongestMatches(pb.LongestMatchesRequest(token_ids=u32(*[1] * 100_000))))

    assert asyncio.run(run())[0] is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_the_service_is_listed_by_reflection(index: Path) -> None:
    async def run() -> list[str]:
        async with shard_server(index) as address, grpc.aio.insecure_channel(address) as channel:
            stub = reflection_pb2_grpc.ServerReflectionStub(channel)
            call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
            response = await call.read()
            call.cancel()
            return [service.name for service in response.list_services_response.service]

    assert "protos.shard.v1.ShardService" in asyncio.run(run())


def test_reflection_can_be_turned_off(index: Path) -> None:
    async def run() -> tuple[grpc.StatusCode, str]:
        async with (
            shard_server(index, reflection=False) as address,
            grpc.aio.insecure_channel(address) as channel,
        ):
            stub = reflection_pb2_grpc.ServerReflectionStub(channel)
            return await status_of(stub.ServerReflectionInfo(iter([])).read())

    assert asyncio.run(run())[0] is grpc.StatusCode.UNIMPLEMENTED


def test_a_bug_is_answered_internal_and_its_text_stays_in_the_log(
    index: Path, index_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        num_tokens = 1

        def document(self, *_: int) -> Any:
            raise RuntimeError("secret text")

    opened = OpenShards(IndexManifest.load(index), {0: Broken()})  # type: ignore[dict-item]

    async def run() -> tuple[grpc.StatusCode, str]:
        async with shard_server(index, opened=opened) as address, stub_of(address) as stub:
            return await status_of(stub.GetDocument(slow_document(index)))

    code, details = asyncio.run(run())
    assert code is grpc.StatusCode.INTERNAL
    assert "secret" not in details
    assert "call failed" in caplog.text


def test_a_port_in_use_is_an_error_that_says_so(index: Path) -> None:
    async def run() -> None:
        async with shard_server(index) as address, shard_server(index, listen=address):
            pass

    with pytest.raises(AddressInUseError, match="the port is in use"):
        asyncio.run(run())


def test_a_shard_that_the_index_has_not_is_refused(index: Path) -> None:
    with pytest.raises(ConfigError, match="asked for shard 2, the index has shards 0 to 1"):
        open_shards(ShardServerConfig(index=index, shards=(2,)))


def test_a_tokenizer_that_is_not_the_index_s_is_refused(index: Path) -> None:
    (index / "tokenizer.json").write_bytes(byte_level_tokenizer(TEXTS, 280).content)
    with pytest.raises(TokenizerError, match="the index was built with"):
        open_shards(ShardServerConfig(index=index))


def test_only_the_shards_served_need_be_on_the_disk(index: Path) -> None:
    (index / "shard_00000" / "table.0").unlink()
    assert list(open_shards(ShardServerConfig(index=index, shards=(1,))).by_number) == [1]
    with pytest.raises(ManifestError, match=r"table\.0: file is missing"):
        open_shards(ShardServerConfig(index=index, shards=(0,)))
