"""Shards in this process: calls of several go on together, and a deadline is one for all of them."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import suffix_engine
from coordinator.corpus import Corpus
from coordinator.steps.fan_out import ask
from coordinator.values import ShardId
from headwater.embedded_shard import EmbeddedShard
from index_format.manifest import IndexManifest

NUM_SHARDS = 4
CORPUS = Corpus("pre", "Pre-training", "pre-training", cast(IndexManifest, None))


class StalledEngine:
    """Answers when it is let go."""

    num_documents = 1

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def document(self, number: int, start: int, max_tokens: int) -> object:
        self.go_on.wait(20)
        raise suffix_engine.InvalidQueryError("let go")


def test_shards_that_stall_fail_together_at_the_deadline() -> None:
    engine = StalledEngine()
    with ThreadPoolExecutor(NUM_SHARDS) as executor:
        shards = [
            EmbeddedShard(CORPUS, number, cast(suffix_engine.ShardIndex, engine), executor)
            for number in range(NUM_SHARDS)
        ]
        began = time.monotonic()
        answers, failed = asyncio.run(ask(shards, lambda shard: shard.get_document(0, 0, 1, 0.3), 0.3))
        elapsed = time.monotonic() - began
        engine.go_on.set()
    assert answers == []
    assert [one.shard for one in failed] == [ShardId("pre", number) for number in range(NUM_SHARDS)]
    assert 0.3 <= elapsed < 0.3 * 3
