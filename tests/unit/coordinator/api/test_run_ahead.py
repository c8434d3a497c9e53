"""A stream in a task of its own."""

import asyncio
from collections.abc import AsyncGenerator
from contextvars import ContextVar

import pytest

from coordinator.api.run_ahead import run_ahead

WHO: ContextVar[str] = ContextVar("who", default="nobody")


async def numbers(up_to: int, made: list[int]) -> AsyncGenerator[int, None]:
    for number in range(up_to):
        made.append(number)
        yield number


def test_items_come_in_their_order() -> None:
    async def run() -> list[int]:
        return [item async for item in run_ahead(numbers(5, []))]

    assert asyncio.run(run()) == [0, 1, 2, 3, 4]


def test_a_slow_reader_does_not_hold_up_the_work() -> None:
    async def run() -> list[int]:
        made: list[int] = []
        items = run_ahead(numbers(5, made))
        await anext(items)
        await asyncio.sleep(0)
        seen = list(made)
        await items.aclose()
        return seen

    assert asyncio.run(run()) == [0, 1, 2, 3, 4]


def test_an_error_comes_after_what_was_made_before_it() -> None:
    async def fail() -> AsyncGenerator[int, None]:
        yield 1
        raise ValueError("late")

    async def run() -> int:
        items = run_ahead(fail())
        first = await anext(items)
        with pytest.raises(ValueError, match="late"):
            await anext(items)
        return first

    assert asyncio.run(run()) == 1


class Waiting:
    """Yields once, then waits for ever; records how it ended."""

    def __init__(self) -> None:
        self.waits = asyncio.Event()
        self.ended_by: type[BaseException] | None = None

    async def items(self) -> AsyncGenerator[int, None]:
        yield 1
        self.waits.set()
        try:
            await asyncio.Event().wait()
        except BaseException as error:
            self.ended_by = type(error)
            raise


def test_a_reader_of_work_whose_call_was_cancelled_by_another_is_told_and_does_not_wait_for_ever() -> None:
    async def broken_off() -> AsyncGenerator[int, None]:
        yield 1
        raise asyncio.CancelledError

    async def run() -> None:
        items = run_ahead(broken_off())
        await anext(items)
        with pytest.raises(RuntimeError, match="was cancelled"):
            await asyncio.wait_for(anext(items), 5)

    asyncio.run(run())


def test_a_reader_that_is_cancelled_while_the_work_ends_is_cancelled() -> None:
    async def run() -> None:
        ends, lets_go = asyncio.Event(), asyncio.Event()

        async def slow_to_end() -> AsyncGenerator[int, None]:
            try:
                yield 1
                await asyncio.Event().wait()
            finally:
                ends.set()
                await lets_go.wait()

        async def read() -> None:
            items = run_ahead(slow_to_end())
            await anext(items)
            await items.aclose()

        reader = asyncio.create_task(read())
        await ends.wait()
        reader.cancel()
        await asyncio.wait([reader], timeout=5)
        lets_go.set()
        assert reader.cancelled()

    asyncio.run(run())


def test_closing_it_cancels_the_work_where_it_waits_and_returns_when_that_has_ended() -> None:
    async def run() -> type[BaseException] | None:
        waiting = Waiting()
        items = run_ahead(waiting.items())
        await anext(items)
        await waiting.waits.wait()
        await items.aclose()
        return waiting.ended_by

    assert asyncio.run(run()) is asyncio.CancelledError


def test_cancelling_its_reader_cancels_the_work() -> None:
    async def run() -> type[BaseException] | None:
        waiting = Waiting()

        async def read() -> None:
            async for _ in run_ahead(waiting.items()):
                pass

        reader = asyncio.create_task(read())
        await waiting.waits.wait()
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        return waiting.ended_by

    assert asyncio.run(run()) is asyncio.CancelledError


def test_what_the_work_sets_for_its_task_is_not_seen_by_the_reader() -> None:
    async def named() -> AsyncGenerator[str, None]:
        token = WHO.set("somebody")
        yield WHO.get()
        yield WHO.get()
        WHO.reset(token)

    async def run() -> list[str]:
        seen = []
        async for item in run_ahead(named()):
            seen += [item, WHO.get()]
        return seen

    assert asyncio.run(run()) == ["somebody", "nobody"] * 2
