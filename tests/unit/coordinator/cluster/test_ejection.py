"""Replicas whose calls fail or are slow are left out, and the calls that wait for them move on."""

import asyncio
from typing import Any

import pytest

from coordinator.cluster.shard_client import TryFailedError
from coordinator.errors import ShardUnavailableError
from tests.unit.coordinator.cluster.fake_servers import NEVER, Shard, fault, now
from tests.virtual_time import run


def test_a_replica_is_ejected_after_failures_in_a_row_and_comes_back() -> None:
    async def main() -> None:
        shard = Shard([fault("INTERNAL")], [0.001], ejection_failures=3, ejection_base_ms=1000)
        for _ in range(20):
            assert await shard.ask() == 1
        assert shard.num_calls[0] == 3
        assert shard.recorder.of("replica_ejected") == [[("c", 0), "h:0", "INTERNAL", 1.0]]
        shard.servers[0].plan = [0.001]
        await asyncio.sleep(1.0)
        assert {await shard.ask() for _ in range(4)} == {0, 1}

    run(main())


def test_a_replica_that_fails_on_its_return_is_left_out_for_twice_as_long() -> None:
    async def main() -> list[float]:
        shard = Shard([fault("INTERNAL")], [0.001], ejection_base_ms=1000, ejection_most_ms=5000)
        for _ in range(4000):
            await shard.ask()
            await asyncio.sleep(0.005)
        return [values[3] for values in shard.recorder.of("replica_ejected")]

    assert run(main())[:4] == [1.0, 2.0, 4.0, 5.0]


def test_data_loss_ejects_at_once() -> None:
    async def main() -> tuple[int, int]:
        shard = Shard([fault("DATA_LOSS")], [0.001])
        for _ in range(10):
            await shard.ask()
        return shard.num_calls[0], shard.set.damages

    assert run(main()) == (1, 1)


def test_a_set_of_a_replaced_generation_ejects_and_says_so_to_nobody() -> None:
    async def main() -> list[Any]:
        shard = Shard([fault("DATA_LOSS")], [0.001])
        shard.set.fall_silent()
        for _ in range(10):
            await shard.ask()
        assert shard.num_calls[0] == 1
        return shard.recorder.of("replica_ejected")

    assert run(main()) == []


def test_the_last_usable_replica_is_never_ejected() -> None:
    async def main() -> None:
        shard = Shard([fault("DATA_LOSS")], [fault("DATA_LOSS")])
        for _ in range(10):
            with pytest.raises(ShardUnavailableError):
                await shard.ask()
        assert len(shard.recorder.of("replica_ejected")) == 1

    run(main())


def test_an_ejected_replica_is_asked_when_there_is_no_other() -> None:
    async def main() -> None:
        shard = Shard([0.001], [0.001], ejection_base_ms=1_000_000, ejection_most_ms=1_000_000)
        shard.servers[0].plan = [fault("DATA_LOSS"), 0.001]
        while shard.num_calls[0] == 0:
            await shard.ask()
        assert [await shard.ask() for _ in range(3)] == [1, 1, 1]
        shard.links[1].lose()
        assert [await shard.ask() for _ in range(3)] == [0, 0, 0]

    run(main())


def test_lost_hedges_eject_a_slow_replica() -> None:
    async def main() -> list[Any]:
        shard = Shard([NEVER], [0.001], hedge_start_ms=50, ejection_failures=3)
        for _ in range(20):
            assert await shard.ask() == 1
        assert shard.num_calls[0] == 3
        return shard.recorder.of("replica_ejected")

    assert run(main()) == [[("c", 0), "h:0", "SLOW", 1.0]]


def test_calls_that_wait_for_a_replica_move_on_when_it_is_ejected() -> None:
    async def main() -> None:
        shard = Shard([NEVER], [NEVER], hedge_start_ms=50, hedge_burst=3, ejection_failures=3)
        shard.servers[1].plan = [0.001]
        # Twenty calls wait for the frozen server; the budget is good for three hedges.
        shard.links[1].calls_in_flight = 1000
        calls = [asyncio.create_task(shard.ask()) for _ in range(20)]
        await asyncio.sleep(0.01)
        assert shard.num_calls == [20, 0]
        assert await asyncio.gather(*calls) == [1] * 20
        assert now() < 0.06
        assert [values[2] for values in shard.recorder.of("hedged")].count("sent") == 3
        assert [values[2] for values in shard.recorder.of("retried")].count("EJECTED") == 17
        await asyncio.sleep(0)
        assert shard.servers[0].num_running == 0

    run(main())


def test_a_replica_back_from_ejection_has_one_call_at_a_time_until_it_answers() -> None:
    async def main() -> int:
        shard = Shard([fault("DATA_LOSS"), 0.01], [0.001], ejection_base_ms=1000, hedge_percent=0)
        while shard.num_calls[0] == 0:
            await shard.ask()
        await asyncio.sleep(1.0)
        shard.servers[0].most_running = 0
        shard.links[1].calls_in_flight = 1000
        await asyncio.gather(*(shard.ask() for _ in range(10)))
        return shard.servers[0].most_running

    assert run(main()) == 1


def test_another_connection_starts_with_a_clean_record() -> None:
    async def main() -> None:
        shard = Shard([fault("DATA_LOSS"), 0.001], [0.001])
        while shard.num_calls[0] == 0:
            await shard.ask()
        assert not shard.set.replicas[0].is_usable(now())
        shard.links[0].lose()
        shard.links[0].connect()
        assert shard.set.replicas[0].is_usable(now())

    run(main())


def test_a_fault_of_an_earlier_connection_says_nothing_of_this_one() -> None:
    async def main() -> None:
        shard = Shard([(1.0, TryFailedError("DATA_LOSS", "made up"))], [0.001], hedge_percent=0)
        shard.links[1].calls_in_flight = 1000
        call = asyncio.create_task(shard.ask())
        await asyncio.sleep(0.5)
        shard.links[0].lose()
        shard.links[0].connect()
        shard.links[1].calls_in_flight = 0
        assert await call == 1
        assert shard.set.replicas[0].is_usable(now())

    run(main())


def test_a_full_server_is_not_left_out() -> None:
    async def main() -> list[Any]:
        shard = Shard([fault("RESOURCE_EXHAUSTED")], [0.001], ejection_failures=1)
        for _ in range(20):
            assert await shard.ask() == 1
        return shard.recorder.of("replica_ejected")

    assert run(main()) == []
