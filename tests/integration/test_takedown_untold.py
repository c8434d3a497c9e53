"""What a key is told of texts that were taken down: the same, whether such a text was ever there or not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio

from coordinator.access.keyring import new_key
from protos.coordinator.v1 import coordinator_pb2 as pb
from protos.coordinator.v1 import coordinator_pb2_grpc
from tests.api_keys import bearer, holder, write_key_file
from tests.running_servers import shard_server
from tests.served_coordinator import served
from tests.tiny_index import byte_level_tokenizer, write_index

# Of as many tokens, of which the last was in one document that is taken down, and in none.
KEPT, GONE = "The quick brown fox is here.", "Only one secret word: cabbage."
NEVER = "Only one secret word: garbage."
OPTIONS = pb.TraceOptions(max_span_density=1.0)


@dataclass
class Asked:
    """A served coordinator, as the holder of a key sees it."""

    stub: Any
    metadata: Any

    async def said_of(self, text: str) -> list[pb.Withheld]:
        """Returns what each call says that it withholds of a text; no span says more."""
        trace = (await self.stub.Trace(pb.TraceRequest(answer=text, options=OPTIONS), metadata=self.metadata)).trace
        events = [
            event
            async for event in self.stub.TraceStream(
                pb.TraceStreamRequest(answer=text, options=OPTIONS), metadata=self.metadata
            )
        ]
        count = await self.stub.Count(pb.CountRequest(text=text), metadata=self.metadata)
        [ranking] = [event.ranking for event in events if event.HasField("ranking")]
        [spans] = [event.spans.spans for event in events if event.HasField("spans")]
        if not trace.withheld.occurrences:
            assert not any(span.withheld_count for span in (*trace.spans, *spans))
        return [trace.withheld, ranking.withheld, count.withheld]


@asynccontextmanager
async def callers(directory: Path) -> AsyncIterator[tuple[Any, Asked, Asked]]:
    """Gives the admin calls with their metadata, and who asks with the role admin, and without it."""
    texts = (KEPT, GONE)
    index = write_index(directory / "index", [[text] for text in texts], byte_level_tokenizer((*texts, NEVER), 300))
    admin, plain = new_key(), new_key()
    write_key_file(
        directory / "keys.yaml", holder(admin, "trace", "admin", id="admin"), holder(plain, "trace", id="plain")
    )
    settings = {"keys_file": directory / "keys.yaml", "takedown_file": directory / "takedowns.json"}
    async with (
        shard_server(index) as shards,
        served(directory, index, (shards, shards), **settings) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        stub = coordinator_pb2_grpc.CoordinatorServiceStub(channel)
        calls = coordinator_pb2_grpc.AdminServiceStub(channel)
        yield calls, Asked(stub, bearer(admin)), Asked(stub, bearer(plain))


def test_a_key_cannot_test_whether_a_text_was_taken_down(tmp_path: Path) -> None:
    async def run() -> None:
        async with callers(tmp_path) as (calls, admin, plain):
            assert await plain.said_of(GONE) == [pb.Withheld()] * 3
            taken_down = pb.AddTakedownsRequest(takedowns=[pb.Takedown(document="default:1:0")])
            await calls.AddTakedowns(taken_down, metadata=admin.metadata)
            for _ in range(2):  # the second time from the cache, which both share
                assert all(said.occurrences > 0 for said in await admin.said_of(GONE))
                for text in (GONE, NEVER, KEPT):
                    assert await plain.said_of(text) == [pb.Withheld(occurrences_untold=True)] * 3, text
                assert await admin.said_of(KEPT) == [pb.Withheld()] * 3

    asyncio.run(run())
