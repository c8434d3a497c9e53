"""Step 2: every shard is asked at once.

Law: every shard is answered or listed as failed; never both, never neither.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Generic, TypeVar

from coordinator.errors import ShardUnavailableError
from coordinator.ports import ShardPort
from coordinator.values import Answers, FailedShard, Query

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Answer(Generic[_T]):
    """What a shard answered."""

    place: int
    value: _T


async def fan_out(query: Query, shards: Sequence[ShardPort], deadline_s: float) -> Answers:
    """Returns the longest allowed matches of every shard that answers within ``deadline_s`` seconds."""
    matches, failed = await ask(shards, lambda shard: shard.longest_matches(query, deadline_s), deadline_s)
    return Answers(tuple(matches), tuple(failed))


async def ask(
    shards: Sequence[ShardPort], call: Callable[[ShardPort], Awaitable[_T]], deadline_s: float
) -> tuple[list[_T], list[FailedShard]]:
    """Returns the answers in the order of ``shards``, and the shards that gave none. Otherwise as `ask_each`."""
    answers: list[Answer[_T]] = []
    failed: list[FailedShard] = []
    async with aclosing(ask_each(shards, call, deadline_s)) as outcomes:
        async for outcome in outcomes:
            if isinstance(outcome, Answer):
                answers.append(outcome)
            else:
                failed.append(outcome)
    answers.sort(key=lambda answer: answer.place)
    return [answer.value for answer in answers], sorted(failed, key=lambda one: one.shard)


async def ask_each(
    shards: Sequence[ShardPort], call: Callable[[ShardPort], Awaitable[_T]], deadline_s: float
) -> AsyncGenerator[Answer[_T] | FailedShard, None]:
    """Calls every shard at once, waits at most ``deadline_s`` seconds, and yields each outcome when it is there.

    ``Answer.place`` is the place of the shard in ``shards``. Any error but `ShardUnavailableError` is the request's own
    fault or a bug: it is raised. When the iteration ends, for whatever reason, the calls that still run are cancelled.
    """
    tasks = [
        asyncio.ensure_future(_attempt(place, shard, call(shard), deadline_s)) for place, shard in enumerate(shards)
    ]
    running: set[asyncio.Future[Answer[_T] | FailedShard]] = set(tasks)
    try:
        while running:
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield task.result()
    finally:
        for task in tasks:
            task.cancel()


async def _attempt(place: int, shard: ShardPort, answer: Awaitable[_T], deadline_s: float) -> Answer[_T] | FailedShard:
    try:
        async with asyncio.timeout(deadline_s):
            return Answer(place, await answer)
    except ShardUnavailableError as error:
        return FailedShard(shard.shard, str(error))
    except TimeoutError:
        return FailedShard(shard.shard, f"no answer within {deadline_s:.3g} s")
