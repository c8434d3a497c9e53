"""Shards in this process: calls of several go on together, each up to its deadline."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import suffix_engine
from coordinator.corpus import Corpus
from coordinator.steps.fan_out import ask
from coordinator.values import FailedShard, ShardId
from headwater.embedded_shard import EmbeddedShard
from index_format.manifest import IndexManifest

NUM_SHARDS = 4
CORPUS = Corpus("pre", "Pre-training", "pre-training", cast(IndexManifest, None))


class Engine:
    """Refuses once it is let go, or once calls of all shards are in it."""

    num_documents = 1

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.num_inside = 0

    def document(self, number: int, start: int, max_tokens: int) -> object:
        self.num_inside += 1
        if self.num_inside == NUM_SHARDS:
            self.go_on.set()
        self.go_on.wait(60)
        raise suffix_engine.EngineError("let go")


def asked(engine: Engine, num_shards: int, deadline_s: float) -> tuple[list[FailedShard], float]:
    """Asks so many shards over the engine; returns those that failed, and the seconds it took."""
    with ThreadPoolExecutor(NUM_SHARDS) as executor:
        shards = [
            EmbeddedShard(CORPUS, number, cast(suffix_engine.ShardIndex, engine), executor)
            for number in range(num_shards)
        ]
        began = time.monotonic()
        answers, failed = asyncio.run(ask(shards, lambda shard: shard.get_document(0, 0, 1, deadline_s), deadline_s))
        elapsed = time.monotonic() - began
        engine.go_on.set()
    assert answers == []
    return list(failed), elapsed


def test_calls_of_several_shards_are_in_the_engine_together() -> None:
    failed, _ = asked(Engine(), NUM_SHARDS, 50)
    assert ["let go" in one.reason for one in failed] == [True] * NUM_SHARDS


def test_shards_that_stall_fail_at_the_deadline() -> None:
    failed, elapsed = asked(Engine(), NUM_SHARDS - 1, 0.3)
    assert [one.shard for one in failed] == [ShardId("pre", number) for number in range(NUM_SHARDS - 1)]
    assert 0.3 <= elapsed < 30
