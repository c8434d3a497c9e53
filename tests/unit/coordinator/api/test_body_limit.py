"""Bodies on the way: few of one client at once, and none of others are in their way."""

import asyncio
from typing import Any

import pytest

from coordinator.api import body_limit
from coordinator.api.body_limit import BodyLimit
from coordinator.api.caller import Caller, serving
from coordinator.errors import OverloadedError


async def reads_body(_scope: Any, receive: Any, _send: Any) -> None:
    while (await receive()).get("more_body"):
        pass


class Client:
    """Sends requests whose bodies end when they are told to."""

    def __init__(self, limit: BodyLimit, name: str):
        self._limit = limit
        self._name = name
        self._end = asyncio.Event()
        self.running: list[asyncio.Task[None]] = []

    async def ask(self, times: int = 1) -> None:
        for _ in range(times):
            with serving(Caller("r", self._name)):
                self.running.append(
                    asyncio.create_task(self._limit({"type": "http", "headers": []}, self._part, print))
                )
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def end(self) -> list[Any]:
        self._end.set()
        found = await asyncio.gather(*self.running, return_exceptions=True)
        self.running.clear()
        self._end.clear()
        return found

    async def _part(self) -> Any:
        await self._end.wait()
        return {"type": "http.request", "body": b"x", "more_body": False}


def test_a_client_has_few_bodies_on_the_way_and_others_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limit, "_MOST_ARRIVING", 3)
    monkeypatch.setattr(body_limit, "_MOST_ARRIVING_IN_ALL", 5)

    async def run() -> None:
        limit = BodyLimit(reads_body, lambda: 1_000)  # type: ignore[arg-type]
        slow, other = Client(limit, "slow"), Client(limit, "other")
        for _ in range(2):  # what has arrived counts no more
            await slow.ask(5)
            await other.ask(3)
            refused = [task for task in (*slow.running, *other.running) if task.done()]
            assert len(refused) == 3
            for found, most in ((await slow.end(), 3), (await other.end(), 2)):
                assert sum(one is None for one in found) == most
                assert all(isinstance(one, OverloadedError) for one in found if one is not None)
        await slow.ask()
        slow.running[0].cancel()
        await slow.end()
        assert not limit._arriving

    asyncio.run(run())
