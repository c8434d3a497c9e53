"""Turns are given in the order of arrival, and those who leave take nobody's place."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from shard_server.errors import OverloadedError
from shard_server.turns import Turns


def run(scene: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scene)


async def waiting(turns: Turns, log: list[int], number: int) -> None:
    await turns.wait()
    log.append(number)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_calls_run_at_once_up_to_the_limit_and_then_in_order() -> None:
    async def scene() -> None:
        turns, log = Turns(2, 10), list[int]()
        calls = [asyncio.ensure_future(waiting(turns, log, number)) for number in range(5)]
        await settle()
        assert (log, turns.num_running, turns.num_waiting) == ([0, 1], 2, 3)
        for expected in ([0, 1, 2], [0, 1, 2, 3], [0, 1, 2, 3, 4]):
            turns.end()
            await settle()
            assert log == expected
        turns.end()
        turns.end()
        assert (turns.num_running, turns.num_waiting) == (0, 0)
        await asyncio.gather(*calls)

    run(scene())


def test_more_than_may_wait_are_refused() -> None:
    async def scene() -> None:
        turns = Turns(1, 1)
        await turns.wait()
        second = asyncio.ensure_future(turns.wait())
        await settle()
        with pytest.raises(OverloadedError, match="1 calls run and 1 wait"):
            await turns.wait()
        turns.end()
        await second

    run(scene())


def test_a_call_that_leaves_the_queue_makes_room_and_the_next_has_its_turn() -> None:
    async def scene() -> None:
        turns, log = Turns(1, 2), list[int]()
        await turns.wait()
        calls = [asyncio.ensure_future(waiting(turns, log, number)) for number in range(2)]
        await settle()
        calls[0].cancel()
        await settle()
        assert turns.num_waiting == 1
        turns.end()
        await settle()
        assert (log, turns.num_running) == ([1], 1)

    run(scene())


def test_a_call_that_is_cancelled_as_its_turn_comes_passes_it_on() -> None:
    async def scene() -> None:
        turns, log = Turns(1, 2), list[int]()
        await turns.wait()
        calls = [asyncio.ensure_future(waiting(turns, log, number)) for number in range(2)]
        await settle()
        turns.end()
        calls[0].cancel()
        await settle()
        assert (log, turns.num_running) == ([1], 1)
        turns.end()
        assert turns.num_running == 0

    run(scene())
