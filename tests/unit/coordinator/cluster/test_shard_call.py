"""One call over several replicas: retries, deadlines, hedges, and what becomes of the losers."""

import asyncio
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from coordinator.errors import ConfigurationError, DocumentNotFoundError, ShardUnavailableError
from runtime import telemetry
from tests.unit.coordinator.cluster.fake_servers import NEVER, Shard, fault, now
from tests.virtual_time import run

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
        failing = [fault("INTERNAL")]
        shard = Shard(failing, failing, retry_percent=20, retry_burst=5, ejection_failures=1000)
        for _ in range(100):
            with pytest.raises(ShardUnavailableError):
                await shard.ask()
        return sum(shard.num_calls) - 100, len(shard.recorder.of("retry_refused"))

    num_retries, num_refused = run(main())
    assert 20 <= num_retries <= 0.2 * 100 + 5
    assert num_retries + num_refused == 100


def test_however_many_calls_a_server_takes_with_it_each_is_sent_to_another() -> None:
    async def main() -> list[int]:
        shard = Shard([fault(after_s=0.01)], [0.001], retry_percent=1, retry_burst=1, hedge_percent=0)
        shard.links[1].calls_in_flight = 1000
        return await asyncio.gather(*(shard.ask() for _ in range(300)))

    assert run(main()) == [1] * 300


def test_only_the_first_try_after_a_lost_connection_is_free() -> None:
    async def main() -> tuple[int, list[Any]]:
        shard = Shard([fault()], [fault()], [fault()], retry_percent=0, ejection_failures=1000)
        with pytest.raises(ShardUnavailableError):
            await shard.ask()
        return sum(shard.num_calls), shard.recorder.of("retry_refused")

    assert run(main()) == (2, [[("c", 0), "LongestMatches"]])


def test_a_healthy_replica_that_the_budget_spares_is_not_called_a_failed_one() -> None:
    async def main() -> str:
        shard = Shard([fault("INTERNAL")], [0.001], retry_percent=0)
        shard.links[1].calls_in_flight = 1000
        with pytest.raises(ShardUnavailableError) as raised:
            await shard.ask()
        return str(raised.value)

    assert run(main()) == (
        "no replica of c:0 answered: h:0: INTERNAL: made up; h:1: not asked, the budget of retries is used up"
    )


def test_without_time_nobody_is_asked_and_nobody_blamed() -> None:
    async def main() -> str:
        shard = Shard([0.001], [0.001])
        shard.links[1].lose()
        with pytest.raises(ShardUnavailableError) as raised:
            await shard.ask(deadline_s=0.0)
        return str(raised.value)

    assert run(main()) == "no replica of c:0 answered: h:0: not asked, no time left; h:1: connection refused"


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


# Telemetry.


def test_each_try_is_an_otel_span_that_says_who_was_asked_and_why() -> None:
    exporter = InMemorySpanExporter()
    shut_down = telemetry.set_up("test", None, exporter=exporter)

    async def main() -> None:
        shard = Shard([NEVER], [0.001], hedge_start_ms=50)
        shard.links[1].calls_in_flight = 10
        with telemetry.otel_span("request"):
            await shard.ask()

    try:
        run(main())
    finally:
        shut_down()
    (request,) = (one for one in exporter.get_finished_spans() if one.name == "request")
    tries = [one for one in exporter.get_finished_spans() if one.name == "LongestMatches"]
    assert all(one.parent is not None and one.parent.span_id == request.context.span_id for one in tries)
    found = sorted((dict(one.attributes or {}) for one in tries), key=lambda each: str(each["address"]))
    expected = {"corpus": "c", "shard": 0, "rpc": "LongestMatches"}
    assert found == [{**expected, "address": "h:0", "hedge": False}, {**expected, "address": "h:1", "hedge": True}]
    assert {one.kind.name for one in tries} == {"CLIENT"}
