"""An index of two shards, and what tests of a shard server ask it."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from index_format.manifest import IndexManifest
from protos.shard.v1 import shard_pb2 as pb
from shard_server.shards import OpenShards
from tests.tiny_index import byte_level_tokenizer, write_index

TEXTS = ("The quick brown fox jumps over the lazy dog.", "A slow green turtle walks under the bridge.")


def write_two_shards(directory: Path) -> Path:
    """Writes an accelerated index with one text in each of two shards."""
    return write_index(directory, [TEXTS[:1], TEXTS[1:]], byte_level_tokenizer(TEXTS, 300), accelerated=True)


def id_of(index: Path) -> str:
    """Returns the id of an index."""
    return IndexManifest.load(index).index_id


def u32(*numbers: int) -> bytes:
    """Returns numbers as a request holds them."""
    return np.array(numbers, dtype="<u4").tobytes()


def u64(*numbers: int) -> bytes:
    """Returns numbers as a request holds them."""
    return np.array(numbers, dtype="<u8").tobytes()


def search(index: Path) -> pb.LongestMatchesRequest:
    """Returns a search that finds something in shard 0."""
    text = np.fromfile(index / "shard_00000" / "tokenized.0", dtype="<u2")
    token_ids = u32(*text[text != 0xFFFF][:4])
    return pb.LongestMatchesRequest(shard=0, index_id=id_of(index), token_ids=token_ids, word_starts=u32(0, 1, 2))


class SlowShard:
    """A shard that reads a document until it is told to go on."""

    num_tokens = 10
    num_documents = 1
    token_width = 2

    def __init__(self) -> None:
        self.started = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.num_started = 0

    def document(self, number: int, start: int, max_tokens: int) -> Any:
        """Answers ``slow``, late."""
        self.num_started += 1
        self.started.release()
        assert self.go_on.wait(60)
        return pb.GetDocumentResponse(document_length=1, text="slow")

    def opened(self, index: Path) -> OpenShards:
        """Returns it as shard 0 of an index."""
        return OpenShards(IndexManifest.load(index), {0: self})  # type: ignore[dict-item]

    async def wait_until_started(self) -> None:
        """Returns once one more call is inside."""
        assert await asyncio.to_thread(self.started.acquire, timeout=20)


def slow_document(index: Path) -> pb.GetDocumentRequest:
    """Returns a call for a `SlowShard`."""
    return pb.GetDocumentRequest(shard=0, index_id=id_of(index), max_tokens=1)


async def status_of(call: Any) -> tuple[grpc.StatusCode, str]:
    """Returns status and details of a call that fails."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return raised.value.code(), raised.value.details() or ""
