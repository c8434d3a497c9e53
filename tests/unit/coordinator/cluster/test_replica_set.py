"""Who of several replicas is asked, what is told of them, and what becomes of those that are lost."""

import asyncio

import pytest

from coordinator.errors import ShardUnavailableError
from tests.unit.coordinator.cluster.fake_servers import HELD, NEVER, Shard, fault, now
from tests.virtual_time import run


def test_replicas_that_are_equally_busy_take_turns() -> None:
    async def main() -> list[int]:
        shard = Shard([0.001], [0.001], [0.001])
        for _ in range(30):
            await shard.ask()
        return shard.num_calls

    assert run(main()) == [10, 10, 10]


def test_the_server_with_the_fewest_calls_in_flight_is_asked() -> None:
    async def main() -> list[int]:
        shard = Shard([0.001], [0.001], [0.001])
        # By whomever: another shard of the same server, or another generation.
        shard.links[0].calls_in_flight = 2
        shard.links[2].calls_in_flight = 1
        return [await shard.ask() for _ in range(5)]

    assert run(main()) == [1] * 5


def test_calls_in_flight_are_counted_until_they_end_however_they_end() -> None:
    async def main() -> None:
        shard = Shard([NEVER, 0.001, fault()], [0.001], hedge_percent=0)
        waiting = asyncio.create_task(shard.ask())
        await asyncio.sleep(0.001)
        assert sum(link.calls_in_flight for link in shard.links) == 1
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        for _ in range(4):
            await shard.ask()
        await asyncio.sleep(0)
        assert [link.calls_in_flight for link in shard.links] == [0, 0]

    run(main())


def test_a_call_that_is_cancelled_before_it_was_sent_leaves_no_trace() -> None:
    async def main() -> None:
        shard = Shard([0.001], [0.001])
        call = asyncio.create_task(shard.ask())
        await asyncio.sleep(0)  # the call has begun, its try has not
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await asyncio.sleep(0)
        assert [link.calls_in_flight for link in shard.links] == [0, 0]

    run(main())


def test_a_replica_of_another_index_is_not_asked_and_is_named() -> None:
    async def main() -> str:
        shard = Shard([0.001], [0.001])
        shard.links[0].become("serving", held=(HELD._replace(index_id="other"),), description=2)
        assert [await shard.ask() for _ in range(3)] == [1, 1, 1]
        shard.links[1].lose()
        with pytest.raises(ShardUnavailableError) as raised:
            await shard.ask()
        return str(raised.value)

    assert "h:0: found index_id other, expected id" in run(main())


def test_a_replica_that_refuses_the_index_is_left_out_until_it_describes_itself_again() -> None:
    async def main() -> None:
        shard = Shard([fault("FAILED_PRECONDITION"), 0.001], [0.001])
        for _ in range(6):
            assert await shard.ask() == 1
        assert shard.num_calls[0] == 1
        assert shard.links[0].num_looks == 1
        assert shard.set.replicas[0].state(now()) == "mismatched"
        shard.links[0].become("serving", description=2)
        assert {await shard.ask() for _ in range(4)} == {0, 1}

    run(main())


def test_a_server_that_drains_is_asked_only_if_there_is_no_other() -> None:
    async def main() -> None:
        shard = Shard([0.001], [0.001])
        shard.links[0].become("not_serving", "the server says NOT_SERVING")
        assert [await shard.ask() for _ in range(4)] == [1] * 4
        shard.links[1].lose()
        assert await shard.ask() == 0

    run(main())


def test_calls_in_flight_on_a_server_that_begins_to_drain_are_left_to_end() -> None:
    async def main() -> None:
        shard = Shard([0.02], [0.02])
        shard.links[1].calls_in_flight = 5
        call = asyncio.create_task(shard.ask())
        await asyncio.sleep(0.01)
        shard.links[0].become("not_serving", "the server says NOT_SERVING")
        assert await call == 0

    run(main())


def test_a_shard_that_has_lost_its_last_replica_just_now_is_waited_for() -> None:
    async def main() -> None:
        shard = Shard([0.001], [0.001], reconnect_grace_ms=500)
        for link in shard.links:
            link.lose()
        call = asyncio.create_task(shard.ask())
        await asyncio.sleep(0.3)
        shard.links[1].connect()
        assert await call == 1
        assert now() == pytest.approx(0.301)

    run(main())


def test_a_connection_cut_under_a_call_is_tried_again_over_the_next_one() -> None:
    async def main() -> None:
        shard = Shard([fault(after_s=0.01), 0.001], reconnect_grace_ms=500)
        call = asyncio.create_task(shard.ask())
        await asyncio.sleep(0.005)
        shard.links[0].lose()
        await asyncio.sleep(0.1)
        shard.links[0].connect()
        assert await call == 0

    run(main())


def test_a_shard_that_is_gone_for_longer_is_not_waited_for() -> None:
    async def main() -> None:
        shard = Shard([0.001], reconnect_grace_ms=500)
        shard.links[0].lose()
        with pytest.raises(ShardUnavailableError):
            await shard.ask()
        assert now() == pytest.approx(0.5)
        with pytest.raises(ShardUnavailableError):
            await shard.ask()
        assert now() == pytest.approx(0.5)

    run(main())


def test_the_wait_for_a_lost_shard_ends_at_the_deadline() -> None:
    async def main() -> None:
        shard = Shard([0.001], reconnect_grace_ms=60_000)
        shard.links[0].lose()
        with pytest.raises(ShardUnavailableError):
            await shard.ask(deadline_s=2.0)
        assert now() <= 2.0

    run(main())


def test_connections_cut_under_a_call_are_waited_for_though_no_link_knows_of_it_yet() -> None:
    async def main() -> None:
        shard = Shard([fault(), 0.001], [fault(), 0.001], reconnect_grace_ms=500)
        call = asyncio.create_task(shard.ask())
        await asyncio.sleep(0.1)  # both tries have failed, and both links still say that they serve
        assert shard.num_calls == [1, 1]
        for link in shard.links:
            link.lose()
        await asyncio.sleep(0.1)
        shard.links[0].connect()
        assert await call == 0

    run(main())


def test_it_describes_itself_without_a_call() -> None:
    async def main() -> None:
        shard = Shard([0.001], [0.001], [0.001])
        shard.links[0].lose()
        found = await shard.set.describe(1.0)
        assert (found.replicas, found.usable_replicas) == (3, 2)
        assert (found.index_id, found.num_tokens, found.shard) == ("id", 100, ("c", 0))
        assert shard.num_calls == [0, 0, 0]
        for link in shard.links[1:]:
            link.lose()
        with pytest.raises(ShardUnavailableError, match=r"h:0: connection refused; h:1: connection refused"):
            await shard.set.describe(1.0)

    run(main())


def test_changes_of_replicas_are_told_once_each_while_it_speaks() -> None:
    async def main() -> list[tuple[str, str]]:
        shard = Shard([fault("DATA_LOSS")], [0.001], ejection_base_ms=1000)
        shard.set.fall_silent()
        shard.recorder.told.clear()
        shard.links[0].lose()
        shard.links[0].connect()
        shard.set.speak()
        while shard.num_calls[0] == 0:
            await shard.ask()
        await asyncio.sleep(1.1)
        shard.links[1].become("not_serving", "the server says NOT_SERVING")
        shard.links[1].become("not_serving", "the server says NOT_SERVING", description=9)
        shard.links[1].lose()
        shard.set.fall_silent()
        shard.links[1].connect()
        return [(values[1], values[2]) for values in shard.recorder.of("replica_changed")]

    assert run(main()) == [
        ("h:0", "usable"),
        ("h:1", "usable"),
        ("h:0", "ejected"),
        ("h:0", "usable"),
        ("h:1", "not_serving"),
        ("h:1", "unreachable"),
    ]
