import asyncio
import random

import pytest

from coordinator.admission.queue import AdmissionQueue
from coordinator.errors import OverloadedError
from tests.unit.coordinator.admission import virtual_time

NEVER = float("inf")


class Seen:
    """What the queue told its observer."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.refusals: list[str] = []

    def waited(self, seconds: float) -> None:
        self.waits.append(seconds)

    def refused(self, reason: str) -> None:
        self.refusals.append(reason)


def now() -> float:
    return asyncio.get_running_loop().time()


async def hold(queue: AdmissionQueue, seconds: float, deadline: float = NEVER) -> float:
    """Takes a turn for some time; returns when it began."""
    async with queue.turn("trace", deadline):
        began = now()
        await asyncio.sleep(seconds)
    return began


async def settled() -> None:
    """Lets every task run as far as it goes without time passing."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_requests_get_their_turn_in_the_order_of_arrival_and_never_more_than_allowed_at_once() -> None:
    async def scenario() -> None:
        queue = AdmissionQueue(2, 10, Seen(), now)
        begun = await asyncio.gather(*(hold(queue, 1.0) for _ in range(6)))
        assert [round(each - begun[0]) for each in begun] == [0, 0, 1, 1, 2, 2]
        assert (queue.num_running, queue.num_waiting) == (0, 0)

    virtual_time.run(scenario())


def test_a_request_that_finds_the_queue_full_is_refused_at_once_and_told_when_to_come_back() -> None:
    async def scenario() -> None:
        seen = Seen()
        queue = AdmissionQueue(1, 2, seen, now)
        await hold(queue, 3.0)  # so that the time of a turn is known
        waiting = [asyncio.create_task(hold(queue, 3.0)) for _ in range(3)]
        await settled()
        before = now()
        with pytest.raises(OverloadedError, match="2 requests wait, no more can") as raised:
            await hold(queue, 3.0)
        assert now() == before
        assert raised.value.retry_after_s == pytest.approx(9.0)
        assert seen.refusals == ["queue_full"]
        await asyncio.gather(*waiting)

    virtual_time.run(scenario())


def test_a_request_that_would_have_its_turn_too_late_is_refused_at_the_door() -> None:
    async def scenario() -> None:
        seen = Seen()
        queue = AdmissionQueue(1, 10, seen, now)
        await hold(queue, 2.0)
        running = asyncio.create_task(hold(queue, 2.0))
        await settled()
        with pytest.raises(OverloadedError, match=r"a wait of 2\.00 s would leave too little of the 3\.50 s"):
            await hold(queue, 2.0, now() + 3.5)
        assert seen.refusals == ["deadline"]
        assert queue.num_waiting == 0
        await hold(queue, 2.0, now() + 8.5)
        await running

    virtual_time.run(scenario())


def test_a_request_waits_for_a_quarter_of_its_time_at_the_most() -> None:
    async def scenario() -> None:
        queue = AdmissionQueue(1, 100, Seen(), now)
        await hold(queue, 0.1)
        running = asyncio.create_task(hold(queue, 0.1))
        await settled()
        waiting = [asyncio.create_task(hold(queue, 0.1, now() + 2.2)) for _ in range(20)]
        await settled()
        assert queue.num_waiting == 5
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert [isinstance(each, OverloadedError) for each in outcomes] == [False] * 5 + [True] * 15
        await running

    virtual_time.run(scenario())


def test_a_free_turn_is_given_however_long_turns_took_before() -> None:
    async def scenario() -> None:
        queue = AdmissionQueue(1, 10, Seen(), now)
        await hold(queue, 1000.0)
        # Otherwise a time of slow shards would refuse everybody for ever: nobody could show that they are fast again.
        await hold(queue, 0.1, now() + 1.0)

    virtual_time.run(scenario())


def test_a_request_whose_time_passes_in_the_queue_is_told_then_and_keeps_nobody_behind_it() -> None:
    async def scenario() -> None:
        seen = Seen()
        queue = AdmissionQueue(1, 10, seen, now)
        running = asyncio.create_task(hold(queue, 5.0))
        await settled()
        late = asyncio.create_task(hold(queue, 1.0, now() + 1.0))
        behind = asyncio.create_task(hold(queue, 1.0))
        began = now()
        with pytest.raises(OverloadedError, match="passed in the queue"):
            await late
        assert now() - began == pytest.approx(1.0)
        assert await behind - began == pytest.approx(5.0)
        assert seen.refusals == ["expired"]
        await running

    virtual_time.run(scenario())


def test_a_turn_that_comes_at_the_moment_of_the_cancellation_goes_to_the_next() -> None:
    async def scenario() -> None:
        queue = AdmissionQueue(1, 10, Seen(), now)
        release = asyncio.Event()

        async def run() -> None:
            async with queue.turn("trace", NEVER):
                await release.wait()

        running = asyncio.create_task(run())
        await settled()
        leaving = asyncio.create_task(hold(queue, 1.0))
        staying = asyncio.create_task(hold(queue, 1.0))
        await settled()
        release.set()
        await running  # the turn is given to the one that leaves, which has not yet run on
        assert queue.num_running == 1
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        await staying
        assert (queue.num_running, queue.num_waiting) == (0, 0)

    virtual_time.run(scenario())


@pytest.mark.parametrize("seed", range(40))
def test_no_turn_is_lost_or_given_twice_whoever_goes_away_and_whenever(seed: int) -> None:
    async def scenario() -> None:
        chance = random.Random(seed)
        max_running, max_queued = chance.randint(1, 4), chance.randint(0, 12)
        queue = AdmissionQueue(max_running, max_queued, Seen(), now)
        running = 0
        begun: list[int] = []

        async def request(number: int) -> None:
            nonlocal running
            deadline = now() + chance.choice([NEVER, chance.uniform(0.0, 3.0)])
            async with queue.turn("trace", deadline):
                assert now() <= deadline
                running += 1
                begun.append(number)
                assert running <= queue.num_running <= max_running
                assert queue.num_waiting <= max_queued
                try:
                    await asyncio.sleep(chance.choice([0.0, chance.uniform(0.0, 1.0)]))
                finally:
                    running -= 1

        tasks: list[asyncio.Task[None]] = []
        for number in range(300):
            tasks.append(asyncio.create_task(request(number)))
            for _ in range(chance.randint(0, 3)):
                chance.choice(tasks).cancel()  # often the ones that wait, sometimes the ones that run
            await asyncio.sleep(chance.choice([0.0, 0.0, chance.uniform(0.0, 0.3)]))
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(each) for each in outcomes} <= {type(None), asyncio.CancelledError, OverloadedError}
        assert begun == sorted(begun)
        assert len(begun) >= 20
        # Every turn came back: as many as allowed can run again, at once.
        assert (queue.num_running, queue.num_waiting) == (0, 0)
        before = now()
        assert await asyncio.gather(*(hold(queue, 1.0) for _ in range(max_running))) == [before] * max_running

    virtual_time.run(scenario())


def test_a_short_kind_of_request_still_gets_its_turn_when_there_is_too_little_time_for_a_long_one() -> None:
    async def scenario() -> None:
        queue = AdmissionQueue(1, 10, Seen(), now)
        async with queue.turn("trace", NEVER):
            await asyncio.sleep(1.0)
        for _ in range(50):
            async with queue.turn("count", NEVER):
                await asyncio.sleep(0.1)
        running = asyncio.create_task(hold(queue, 0.5))
        await settled()
        deadline = now() + 0.8
        with pytest.raises(OverloadedError):
            await hold(queue, 1.0, deadline)
        async with queue.turn("count", deadline):
            pass
        await running

    virtual_time.run(scenario())


def test_with_twice_as_many_requests_as_it_can_take_nearly_every_turn_still_ends_in_time() -> None:
    async def scenario() -> None:
        chance = random.Random(1)
        queue = AdmissionQueue(4, 64, Seen(), now)
        in_time = 0

        async def request() -> None:
            nonlocal in_time
            deadline = now() + 0.2
            try:
                await hold(queue, chance.uniform(0.01, 0.03), deadline)
            except OverloadedError:
                return
            in_time += now() <= deadline

        async with asyncio.TaskGroup() as tasks:
            for _ in range(8000):  # 20 s at 400 a second, where 200 can be done
                tasks.create_task(request())
                await asyncio.sleep(0.0025)
        assert in_time >= 0.95 * 200 * 20

    virtual_time.run(scenario())
