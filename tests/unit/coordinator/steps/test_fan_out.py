import asyncio

import pytest

from coordinator.errors import CoordinatorError, ShardUnavailableError
from coordinator.steps.fan_out import ask
from coordinator.values import ShardId


class Shard:
    """A shard that answers as its test says."""

    def __init__(self, number, behaviour):
        self.shard = ShardId("default", number)
        self._behaviour = behaviour
        self.was_cancelled = False

    async def call(self):
        try:
            if self._behaviour == "hang":
                await asyncio.sleep(60)
            if isinstance(self._behaviour, Exception):
                raise self._behaviour
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        return f"answer of {self.shard}"


def run(shards, deadline_s=5.0):
    return asyncio.run(ask(shards, lambda shard: shard.call(), deadline_s))


def test_every_shard_is_answered_or_failed_in_shard_order():
    shards = [Shard(0, "answer"), Shard(1, ShardUnavailableError("host: refused")), Shard(2, "answer")]
    answers, failed = run(shards)
    assert answers == ["answer of default:0", "answer of default:2"]
    assert [(shard.shard, shard.reason) for shard in failed] == [(ShardId("default", 1), "host: refused")]


def test_a_shard_that_hangs_fails_at_the_deadline_and_is_cancelled():
    shards = [Shard(0, "hang"), Shard(1, "answer")]
    answers, failed = run(shards, deadline_s=0.05)
    assert answers == ["answer of default:1"]
    assert [(shard.shard, shard.reason) for shard in failed] == [(ShardId("default", 0), "no answer within 0.05 s")]
    assert shards[0].was_cancelled


def test_an_error_of_the_request_is_raised_and_cancels_the_other_calls():
    shards = [Shard(0, CoordinatorError("a bug")), Shard(1, "hang")]
    with pytest.raises(CoordinatorError, match="a bug"):
        run(shards)
    assert shards[1].was_cancelled


def test_no_shards_give_no_answers():
    assert run([]) == ([], [])
