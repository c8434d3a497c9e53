"""An event loop whose clock jumps: what waits for an hour is run at once, in the order of its times."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


class _JumpingSelector(selectors.DefaultSelector):  # type: ignore[valid-type,misc]  # of the platform
    """Waits for nobody: moves the clock by the time that the loop would have slept."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise AssertionError("everything waits for something that never happens")
        if timeout > 0:
            self.now += timeout
        return super().select(0)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Begins at time 0. For tasks that wait for one another and for time only: no thread, no socket."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Returns the virtual time in seconds."""
        return self._jumping.now


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """Runs ``main`` in virtual time, and checks that it left no task behind."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:

        async def and_nothing_is_left() -> _T:
            result = await main
            await asyncio.sleep(0)  # tasks that were cancelled end at their next turn
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, f"left running: {left}"
            return result

        return runner.run(and_nothing_is_left())
