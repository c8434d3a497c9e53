"""One call over several replicas: balance, retries, hedges, deadlines, and what becomes of the losers."""

import asyncio
from typing import Any

import pytest

from coordinator.cluster.shard_client import TryFailedError
from coordinator.errors import ConfigurationError, DocumentNotFoundError, ShardUnavailableError
from tests.unit.coordinator.cluster.fake_servers import HELD, Shard
from tests.virtual_time import run

NEVER = 1e9


def fault(status: str = "UNAVAILABLE", after_s: float = 0.001) -> tuple[float, Exception]:
    return after_s, TryFailedError(status, "made up")


def now() -> float:
    return asyncio.get_running_loop().time()


# Balance.


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


# Retries.


@pytest.mark.parametrize(
    "status",
    ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "INTERNAL", "UNKNOWN", "CANCELLED", "DATA_LOSS", "ABORTED"],
)
def test_a_failed_try_goes_to_another_replica_at_once(status: str) -> None:
    async def main() -> tuple[list[int], list[float], list[Any]]:
        shard = Shard([fault(status)], [fault(status)], [0.001])
        who = [await shard.ask()]
        return who, [one.begun_at[0] for one in shard.servers if one.begun_at], shard.recorder.of("retried")

    who, begun_at, retried = run(main())
    assert who == [2]
    assert max(begun_at) == pytest.approx(0.001 * (len(begun_at) - 1))
    assert retried == [[("c", 0), "LongestMatches", status]] * (len(begun_at) - 1)


@pytest.mark.parametrize("error", [ConfigurationError("limits differ"), DocumentNotFoundError("none")])
def test_what_every_replica_would_answer_is_not_asked_twice(error: Exception) -> None:
    async def main() -> list[int]:
        shard = Shard([(0.001, error)], [(0.001, error)])
        with pytest.raises(type(error)):
            await shard.ask()
        return shard.num_calls

    assert sorted(run(main())) == [0, 1]


def test_an_error_of_our_own_is_not_taken_for_the_server_s() -> None:
    async def main() -> None:
        shard = Shard([(0.001, ZeroDivisionError())], [(0.001, ZeroDivisionError())])
        with pytest.raises(ZeroDivisionError):
            await shard.ask()

    run(main())


def test_no_replica_is_asked_twice_in_one_call() -> None:
    async def main() -> tuple[list[int], str]:
        shard = Shard([fault()], [fault("INTERNAL")], [fault("ABORTED")])
        with pytest.raises(ShardUnavailableError) as raised:
            await shard.ask()
        return shard.num_calls, str(raised.value)

    num_calls, reason = run(main())
    assert num_calls == [1, 1, 1]
    assert reason.startswith("no replica of c:0 answered: ")
    for each in ("h:0: UNAVAILABLE: made up", "h:1: INTERNAL: made up", "h:2: ABORTED: made up"):
        assert each in reason


def test_the_reason_is_bounded_however_many_replicas_there_are() -> None:
    async def main() -> str:
        shard = Shard(*[[fault()] for _ in range(40)], retry_burst=1000)
        with pytest.raises(ShardUnavailableError) as raised:
            await shard.ask()
        return str(raised.value)

    reason = run(main())
    assert "and 36 more" in reason
    assert len(reason) < 1000


def test_replicas_that_are_not_connected_cost_no_time_and_are_named() -> None:
    async def main() -> str:
        shard = Shard([0.001], [0.001])
        for link in shard.links:
            link.lose()
        with pytest.raises(ShardUnavailableError) as raised:
            await shard.ask()
        assert now() == 0
        assert shard.num_calls == [0, 0]
        return str(raised.value)

    assert run(main()) == "no replica of c:0 answered: h:0: connection refused; h:1: connection refused"


def test_retries_do_not_pass_their_budget() -> None:
    async def main() -> tuple[int, int]:
        shard = Shard([fault()], [fault()], retry_percent=20, retry_burst=5, ejection_failures=1000)
        for _ in range(100):
            with pytest.raises(ShardUnavailableError):
                await shard.ask()
        return sum(shard.num_calls) - 100, len(shard.recorder.of("retry_refused"))

    num_retries, num_refused = run(main())
    assert 20 <= num_retries <= 0.2 * 100 + 5
    assert num_retries + num_refused == 100


# Deadlines.


def test_a_try_leaves_time_for_each_other_replica() -> None:
    async def main() -> list[float]:
        shard = Shard([NEVER], [NEVER], [NEVER], hedge_percent=0)
        with pytest.raises(ShardUnavailableError, match="no answer within"):
            await shard.ask(deadline_s=9.0)
        assert now() <= 9.0
        return sorted(one.timeouts[0] for one in shard.servers)

    assert run(main()) == pytest.approx([3.0, 3.0, 3.0], rel=0.01)


def test_one_of_many_replicas_is_left_enough_time_to_answer() -> None:
    async def main() -> float:
        shard = Shard(*[[0.001] for _ in range(50)])
        await shard.ask(deadline_s=9.0)
        return max(timeout for one in shard.servers for timeout in one.timeouts)

    assert run(main()) > 2.5


def test_the_only_replica_has_nearly_all_the_time() -> None:
    async def main() -> list[float]:
        shard = Shard([0.001])
        await shard.ask(deadline_s=1.0)
        return shard.servers[0].timeouts

    assert run(main()) == pytest.approx([0.98])


def test_after_the_deadline_nobody_is_asked() -> None:
    async def main() -> list[float]:
        shard = Shard(*[[fault(after_s=5.0)] for _ in range(9)], hedge_percent=0)
        with pytest.raises(ShardUnavailableError):
            await shard.ask(deadline_s=1.0)
        return [begun_at for server in shard.servers for begun_at in server.begun_at]

    begun_at = run(main())
    assert len(begun_at) > 2
    assert max(begun_at) < 1.0


def test_a_caller_that_leaves_little_time_ejects_nobody() -> None:
    async def main() -> list[Any]:
        shard = Shard([0.04], [0.04], hedge_percent=0)
        for _ in range(20):
            with pytest.raises(ShardUnavailableError):
                await shard.ask(deadline_s=0.01)
        return shard.recorder.of("replica_ejected")

    assert run(main()) == []


# Hedges.


def test_a_slow_call_goes_to_another_replica_after_the_delay_and_the_first_answer_wins() -> None:
    async def main() -> Shard:
        shard = Shard([NEVER], [NEVER], hedge_start_ms=50)
        shard.servers[1].plan = [NEVER, 0.003]
        shard.servers[0].plan = [NEVER, 0.003]
        first = asyncio.create_task(shard.ask())
        await asyncio.sleep(0.01)
        slow = shard.num_calls.index(1)
        shard.servers[1 - slow].plan = [0.003]
        assert await first == 1 - slow
        assert now() == pytest.approx(0.053)
        await asyncio.sleep(0)
        assert shard.servers[slow].num_cancelled == 1
        assert shard.servers[slow].num_running == 0
        return shard

    shard = run(main())
    assert [values[2] for values in shard.recorder.of("hedged")] == ["sent", "won"]
    statuses = sorted(values[3] for values in shard.recorder.of("call_finished"))
    assert statuses == ["CANCELLED", "OK"]
    assert shard.recorder.of("retried") == []


def test_a_hedge_that_loses_is_cancelled_and_nobody_is_blamed() -> None:
    async def main() -> None:
        shard = Shard([0.06], [0.06], ejection_failures=1)
        await shard.ask()
        assert now() == pytest.approx(0.06)
        await asyncio.sleep(0)
        assert sum(server.num_cancelled for server in shard.servers) == 1
        assert [values[2] for values in shard.recorder.of("hedged")] == ["sent"]
        assert shard.recorder.of("replica_ejected") == []

    run(main())


def test_the_delay_follows_the_95th_percentile_of_what_calls_take() -> None:
    async def main() -> tuple[float, float]:
        shard = Shard([0.02], [0.02], hedge_start_ms=500, hedge_floor_ms=1)
        before = shard.set.hedge_delay("LongestMatches")
        for _ in range(40):
            await shard.ask()
        return before, shard.set.hedge_delay("LongestMatches")

    assert run(main()) == (0.5, pytest.approx(0.02))


def test_hedges_do_not_pass_their_budget() -> None:
    async def main() -> tuple[int, int]:
        shard = Shard([0.06], [0.06], hedge_percent=5, hedge_burst=3, hedge_start_ms=50)
        # What is slow is new to the percentile again and again, so that every call would be hedged.
        for _ in range(200):
            await shard.ask()
            for delay in shard.set._delays.values():
                delay.seconds = 0.05
        outcomes = [values[2] for values in shard.recorder.of("hedged")]
        return outcomes.count("sent"), outcomes.count("refused")

    sent, refused = run(main())
    assert 10 <= sent <= 0.05 * 200 + 3
    assert sent + refused == 200


def test_without_another_replica_there_is_no_hedge() -> None:
    async def main() -> list[Any]:
        shard = Shard([0.2], [0.2])
        shard.links[1].lose()
        assert await shard.ask() == 0
        return shard.recorder.of("hedged")

    assert run(main()) == []


def test_when_the_slow_try_fails_its_hedge_is_still_waited_for() -> None:
    async def main() -> int:
        shard = Shard([NEVER], [NEVER], hedge_start_ms=50)
        first = asyncio.create_task(shard.ask())
        await asyncio.sleep(0.01)
        slow = shard.num_calls.index(1)
        shard.servers[1 - slow].plan = [0.5]
        await asyncio.sleep(0.1)
        next(iter(shard.set.replicas[slow].attempts)).task.cancel()  # what a lost connection looks like
        assert await first == 1 - slow
        return 1

    assert run(main()) == 1


# Ejection.


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
    async def main() -> int:
        shard = Shard([fault("DATA_LOSS")], [0.001])
        for _ in range(10):
            await shard.ask()
        return shard.num_calls[0]

    assert run(main()) == 1


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


# Replicas of another index, servers that drain, servers that are lost.


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


# Cancellation.


def test_a_caller_that_leaves_ends_every_try() -> None:
    async def main() -> None:
        shard = Shard([NEVER], [NEVER], hedge_start_ms=50)
        call = asyncio.create_task(shard.ask(deadline_s=NEVER))
        await asyncio.sleep(1.0)
        assert [server.num_running for server in shard.servers] == [1, 1]
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.sleep(0)
        assert [server.num_running for server in shard.servers] == [0, 0]

    run(main())


def test_an_ejection_during_a_call_that_is_won_starts_nothing() -> None:
    async def main() -> list[int]:
        shard = Shard([NEVER], [0.001], hedge_start_ms=50, ejection_failures=1)
        shard.links[1].calls_in_flight = 10
        assert await shard.ask() == 1
        return shard.num_calls

    assert run(main()) == [1, 1]


# What it says of itself.


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
