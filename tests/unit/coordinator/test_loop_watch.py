import asyncio
import threading

from coordinator.loop_watch import LoopWatch


def test_it_beats_until_it_is_closed() -> None:
    async def scenario() -> None:
        beat = asyncio.Event()
        late: list[float] = []

        def on_beat(late_s: float) -> None:
            late.append(late_s)
            beat.set()

        watch = LoopWatch(on_beat, beat_s=0.001)
        await beat.wait()
        assert watch.is_beating
        assert min(late) >= 0
        await watch.close()
        assert not watch.is_beating

    asyncio.run(scenario())


def test_a_loop_that_is_blocked_was_late_and_another_thread_sees_it() -> None:
    async def scenario() -> None:
        late: list[float] = []
        beat = asyncio.Event()

        def on_beat(late_s: float) -> None:
            late.append(late_s)
            beat.set()

        watch = LoopWatch(on_beat, beat_s=0.001, lost_after_s=0.03)
        await asyncio.sleep(0)  # it has begun to wait for its first beat
        seen: list[bool] = []
        told = threading.Event()

        def look() -> None:
            while watch.is_beating:
                pass
            seen.append(True)
            told.set()

        thread = threading.Thread(target=look)
        thread.start()
        assert told.wait(10)  # blocks the loop
        thread.join()
        await beat.wait()
        assert seen == [True]
        assert max(late) > 0.02
        await watch.close()

    asyncio.run(scenario())


def test_a_beat_that_fails_is_an_end_that_is_seen() -> None:
    async def scenario() -> None:
        failed = asyncio.Event()

        def on_beat(late_s: float) -> None:
            failed.set()
            raise ValueError("a bug")

        watch = LoopWatch(on_beat, beat_s=0.001)
        await failed.wait()
        await asyncio.sleep(0)
        assert not watch.is_beating
        await watch.close()

    asyncio.run(scenario())
