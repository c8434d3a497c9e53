"""The caller's request id is taken if it is harmless, else replaced."""

import asyncio
import re

import pytest

from runtime import request_id


@pytest.mark.parametrize("text", ["a", "4bf92f35-77b3", "Root=1-67891233:abc.def_1", "x" * 128])
def test_a_harmless_id_is_kept(text: str) -> None:
    assert request_id.accepted_or_new(text) == text


@pytest.mark.parametrize("text", [None, "", "x" * 129, "a b", "a\n", 'a"', "é", b"bytes"])
def test_any_other_is_replaced_by_a_fresh_one(text: str | bytes | None) -> None:
    first, second = request_id.accepted_or_new(text), request_id.accepted_or_new(text)
    assert first != second
    assert re.fullmatch("[0-9a-f]{32}", first)


def test_requests_side_by_side_keep_their_own_id() -> None:
    async def work(name: str, turn: asyncio.Barrier) -> str | None:
        with request_id.serving_request(name):
            async with turn:
                return request_id.current()

    async def run() -> list[str | None]:
        turn = asyncio.Barrier(2)
        return await asyncio.gather(work("a", turn), work("b", turn))

    assert asyncio.run(run()) == ["a", "b"]
    assert request_id.current() is None
