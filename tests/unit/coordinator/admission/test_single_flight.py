import asyncio

import pytest

from coordinator.admission.single_flight import SingleFlight
from tests.unit.coordinator.admission import virtual_time

NEVER = float("inf")


class Worker:
    """Callers that ask for one key, and what they do."""

    def __init__(self, content: bytes | None = b"found", seconds: float = 1.0) -> None:
        self.flights = SingleFlight()
        self.num_runs = 0
        self.content = content
        self.seconds = seconds
        self.error: Exception | None = None

    async def work(self) -> tuple[bytes | None, bytes]:
        self.num_runs += 1
        await asyncio.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        return self.content, b"own"

    async def ask(self, deadline: float = NEVER) -> bytes:
        found = await self.flights.join(b"key", deadline)
        return found if found is not None else await self.flights.lead(b"key", self.work)


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_equal_requests_at_the_same_time_are_worked_on_once() -> None:
    async def scenario() -> None:
        worker = Worker()
        assert await asyncio.gather(*(worker.ask() for _ in range(20))) == [b"own"] + [b"found"] * 19
        assert worker.num_runs == 1
        assert len(worker.flights) == 0
        assert await worker.ask() == b"own"
        assert worker.num_runs == 2

    virtual_time.run(scenario())


def test_requests_with_other_keys_do_not_wait() -> None:
    async def scenario() -> None:
        worker = Worker()
        leading = asyncio.create_task(worker.ask())
        await settled()
        assert await worker.flights.join(b"other", NEVER) is None
        await leading

    virtual_time.run(scenario())


def test_when_the_worker_is_cancelled_one_that_waits_takes_over_and_the_others_wait_for_it() -> None:
    async def scenario() -> None:
        worker = Worker()
        tasks = [asyncio.create_task(worker.ask()) for _ in range(10)]
        await settled()
        tasks[0].cancel()
        assert await asyncio.gather(*tasks[1:]) == [b"own"] + [b"found"] * 8
        assert worker.num_runs == 2

    virtual_time.run(scenario())


@pytest.mark.parametrize("error", [None, ValueError("no")])
def test_when_the_worker_finds_nothing_for_others_they_all_work_at_once_and_not_one_after_another(
    error: Exception | None,
) -> None:
    async def scenario() -> None:
        worker = Worker(content=None)
        worker.error = error
        began = asyncio.get_running_loop().time()
        outcomes = await asyncio.gather(*(worker.ask() for _ in range(10)), return_exceptions=True)
        assert outcomes == ([error] if error else [b"own"]) * 10
        assert worker.num_runs == 10
        assert asyncio.get_running_loop().time() - began == pytest.approx(2.0)
        assert len(worker.flights) == 0

    virtual_time.run(scenario())


def test_one_that_waits_has_a_deadline_of_its_own_and_takes_nothing_from_the_others() -> None:
    async def scenario() -> None:
        worker = Worker(seconds=5.0)
        leading = asyncio.create_task(worker.ask())
        await settled()
        waiting = asyncio.create_task(worker.ask())
        began = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError):
            await worker.ask(began + 1.0)
        assert asyncio.get_running_loop().time() - began == pytest.approx(1.0)
        assert await leading == b"own"
        assert await waiting == b"found"

    virtual_time.run(scenario())


def test_one_that_goes_away_while_it_waits_takes_nothing_from_the_others() -> None:
    async def scenario() -> None:
        worker = Worker()
        tasks = [asyncio.create_task(worker.ask()) for _ in range(3)]
        await settled()
        tasks[1].cancel()
        assert await asyncio.gather(tasks[0], tasks[2]) == [b"own", b"found"]
        assert worker.num_runs == 1

    virtual_time.run(scenario())
