"""Health goes one way: opening, serving, and then what ended that."""

import asyncio

import pytest
from grpc_health.v1 import health_pb2

from runtime.listener import Readiness
from shard_server.health import Health

SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3


class Watcher:
    """A caller of Watch, without a network."""

    def __init__(self, health: Health, name: str, *, is_stuck: bool = False) -> None:
        self.seen: list[int] = []
        self._question = health_pb2.HealthCheckRequest(service=name).SerializeToString()
        self._is_stuck = is_stuck
        self.watch = asyncio.ensure_future(health._watch(None, self))  # type: ignore[arg-type]

    async def read(self) -> bytes:
        return self._question

    async def write(self, content: bytes) -> None:
        if self._is_stuck:
            await asyncio.Event().wait()
        self.seen.append(health_pb2.HealthCheckResponse.FromString(content).status)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_process_is_not_ready_until_it_serves_and_says_what_it_waits_for() -> None:
    async def scene() -> None:
        health = Health(("a.Service",), 1)
        assert health.readiness == Readiness(False, {"reason": "opening the shards"})
        health.serve(shards=[0])
        assert health.readiness == Readiness(True, {"shards": [0]})
        health.refuse("stopping")
        assert health.readiness == Readiness(False, {"reason": "stopping"})

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("", [NOT_SERVING, SERVING, NOT_SERVING]),
        ("a.Service", [NOT_SERVING, SERVING, NOT_SERVING]),
        ("b", [SERVICE_UNKNOWN]),
    ],
)
def test_a_watcher_hears_every_change_and_then_the_end(name: str, seen: list[int]) -> None:
    async def scene() -> list[int]:
        health = Health(("a.Service",), 1)
        watcher = Watcher(health, name)
        for change in (health.serve, lambda: health.refuse("stopping"), health.close):
            await settle()
            change()
        await watcher.watch
        return watcher.seen

    assert asyncio.run(scene()) == seen


def test_a_watcher_that_does_not_read_holds_up_nobody() -> None:
    async def scene() -> list[int]:
        health = Health(("a.Service",), 1)
        stuck, other = Watcher(health, "", is_stuck=True), Watcher(health, "")
        await settle()
        health.serve()
        await settle()
        stuck.watch.cancel()
        health.close()
        await other.watch
        return other.seen

    assert asyncio.run(scene()) == [NOT_SERVING, SERVING]
