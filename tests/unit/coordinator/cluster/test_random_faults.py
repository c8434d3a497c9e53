"""Laws that hold whatever happens to the servers: random faults in virtual time, by seed."""

import asyncio
import random
from typing import Any

import pytest

from coordinator.cluster.shard_client import TryFailedError
from coordinator.errors import ShardUnavailableError
from tests.unit.coordinator.cluster.fake_servers import NEVER, Shard, now
from tests.virtual_time import run

STATUSES = ("UNAVAILABLE", "INTERNAL", "UNKNOWN", "RESOURCE_EXHAUSTED", "DATA_LOSS", "ABORTED", "FAILED_PRECONDITION")
NUM_CALLS = 300
DEADLINE_S = 10.0


async def disturb(shard: Shard, chance: random.Random, victims: range) -> None:
    """Does one thing after the other to the servers in ``victims``, for ever."""
    while True:
        await asyncio.sleep(chance.expovariate(5.0))
        number = chance.choice(victims)
        server, link = shard.servers[number], shard.links[number]
        what = chance.randrange(7)
        if what == 0:
            server.plan = [(chance.random() / 100, TryFailedError(chance.choice(STATUSES), "made up"))]
        elif what == 1:
            server.plan = [NEVER]
        elif what == 2:
            server.plan = [chance.expovariate(20.0)]
        elif what == 3 and link.state.kind != "unreachable":
            link.lose()
        elif what == 4 and link.state.kind == "unreachable":
            link.connect()
        elif what == 5 and link.state.kind == "serving":
            link.become("not_serving", "the server says NOT_SERVING")
        else:
            server.plan = [0.002]
            if link.state.kind != "serving":
                link.connect()
            else:
                link.become("serving", description=link.state.description + 1)


async def load(shard: Shard, chance: random.Random) -> list[tuple[Any, float]]:
    """Returns how each of many calls ended, and how long it took; some callers leave early."""

    async def one() -> tuple[Any, float]:
        began = now()
        try:
            async with asyncio.timeout(chance.uniform(0.001, 0.2) if chance.random() < 0.1 else None):
                return await shard.ask(DEADLINE_S), now() - began
        except (ShardUnavailableError, TimeoutError) as error:
            return error, now() - began

    calls = []
    for _ in range(NUM_CALLS):
        calls.append(asyncio.create_task(one()))
        await asyncio.sleep(chance.expovariate(100.0))
    return await asyncio.gather(*calls)


def check_books(shard: Shard) -> None:
    """Nothing is left of any call, and the budgets were kept."""
    assert [link.calls_in_flight for link in shard.links] == [0] * len(shard.links)
    assert [server.num_running for server in shard.servers] == [0] * len(shard.servers)
    assert not any(replica.attempts for replica in shard.set.replicas)
    hedges = [values[2] for values in shard.recorder.of("hedged")]
    assert hedges.count("sent") <= 0.05 * NUM_CALLS + 20
    assert hedges.count("won") <= hedges.count("sent")
    retried = [values[2] for values in shard.recorder.of("retried")]
    assert len([reason for reason in retried if reason != "UNAVAILABLE"]) <= 0.2 * NUM_CALLS + 100
    assert len(retried) <= 1.2 * NUM_CALLS + 100  # a broken connection allows each call one more
    assert len(shard.recorder.of("call_finished")) == sum(shard.num_calls) + num_unsent(shard)


def num_unsent(shard: Shard) -> int:
    """Returns how many tries were cancelled before they reached their server: told, and not seen there."""
    cancelled = [values for values in shard.recorder.of("call_finished") if values[3] == "CANCELLED"]
    return len(cancelled) - sum(server.num_cancelled for server in shard.servers)


@pytest.mark.parametrize("seed", range(20))
def test_with_one_good_replica_no_call_fails(seed: int) -> None:
    async def main() -> None:
        shard = Shard([0.002], [0.002], [0.002], reconnect_grace_ms=500)
        chance = random.Random(seed)
        disturbing = asyncio.create_task(disturb(shard, chance, range(1, 3)))
        ends = await load(shard, chance)
        disturbing.cancel()
        await asyncio.gather(disturbing, return_exceptions=True)
        await asyncio.sleep(0)
        assert not [end for end, _ in ends if isinstance(end, ShardUnavailableError)]
        check_books(shard)

    run(main())


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_every_call_ends_before_its_deadline_and_leaves_nothing(seed: int) -> None:
    async def main() -> None:
        shard = Shard([0.002], [0.002], reconnect_grace_ms=500)
        chance = random.Random(seed)
        disturbing = asyncio.create_task(disturb(shard, chance, range(2)))
        ends = await load(shard, chance)
        disturbing.cancel()
        await asyncio.gather(disturbing, return_exceptions=True)
        await asyncio.sleep(0)
        assert max(seconds for _, seconds in ends) <= DEADLINE_S
        check_books(shard)

    run(main())
