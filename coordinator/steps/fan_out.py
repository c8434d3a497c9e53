"""Step 2: every shard is asked at once.

Law: every shard is answered or listed as failed; never both, never neither.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from coordinator.errors import ShardUnavailableError
from coordinator.ports import ShardPort
from coordinator.values import Answers, FailedShard, Query

_T = TypeVar("_T")


async def fan_out(query: Query, shards: Sequence[ShardPort], deadline_s: float) -> Answers:
    """Returns the longest allowed matches of every shard that answers within ``deadline_s`` seconds."""
    matches, failed = await ask(shards, lambda shard: shard.longest_matches(query, deadline_s), deadline_s)
    return Answers(tuple(matches), tuple(failed))


async def ask(
    shards: Sequence[ShardPort], call: Callable[[ShardPort], Awaitable[_T]], deadline_s: float
) -> tuple[list[_T], list[FailedShard]]:
    """Calls every shard at once and waits at most ``deadline_s`` seconds.

    Returns the answers in the order of ``shards`` and the shards that gave none. Any error but `ShardUnavailableError`
    is the request's own fault or a bug: it is raised, and the other calls are cancelled.
    """
    tasks = [asyncio.ensure_future(_attempt(shard, call(shard), deadline_s)) for shard in shards]
    try:
        outcomes = await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
    answers = [outcome.value for outcome in outcomes if isinstance(outcome, _Answer)]
    return answers, [outcome for outcome in outcomes if isinstance(outcome, FailedShard)]


@dataclass(frozen=True, slots=True)
class _Answer(Generic[_T]):
    value: _T


async def _attempt(shard: ShardPort, answer: Awaitable[_T], deadline_s: float) -> _Answer[_T] | FailedShard:
    try:
        async with asyncio.timeout(deadline_s):
            return _Answer(await answer)
    except ShardUnavailableError as error:
        return FailedShard(shard.shard, str(error))
    except TimeoutError:
        return FailedShard(shard.shard, f"no answer within {deadline_s:.3g} s")
