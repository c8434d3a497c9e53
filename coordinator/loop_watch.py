"""Whether the event loop of a coordinator keeps up: everything waits for it, so its lateness is worth a metric."""

import asyncio
from collections.abc import Callable
from time import monotonic

_BEAT_S = 0.25
# Longer than anything that may run on the loop, shorter than what makes an operator look.
_LOST_AFTER_S = 10.0


class LoopWatch:
    """Beats on the event loop that it is made in, until it is closed."""

    def __init__(
        self, on_beat: Callable[[float], None], *, beat_s: float = _BEAT_S, lost_after_s: float = _LOST_AFTER_S
    ):
        """Calls ``on_beat`` every ``beat_s`` seconds with how late the loop was, in seconds."""
        self._on_beat = on_beat
        self._beat_s = beat_s
        self._lost_after_s = lost_after_s
        self._last_beat = monotonic()
        self._task = asyncio.create_task(self._beat(), name="loop watch")

    @property
    def is_beating(self) -> bool:
        """Whether the loop has run of late. May be asked from another thread."""
        return not self._task.done() and monotonic() - self._last_beat < self._lost_after_s

    async def close(self) -> None:
        """Stops."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _beat(self) -> None:
        while True:
            began = monotonic()
            await asyncio.sleep(self._beat_s)
            self._last_beat = monotonic()
            self._on_beat(max(self._last_beat - began - self._beat_s, 0.0))
