"""Large answers are encoded and decoded in a thread, so that other requests are not held up meanwhile."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from coordinator.results import DocumentsFound, DocumentText, Trace

_T = TypeVar("_T")
_R = TypeVar("_R")

# JSON takes 11 ms a megabyte, messages take 5. What is done sooner than Python changes threads, which is 5 ms, gains
# nothing by one.
_LARGE = 500_000


async def off_loop_if_large(function: Callable[[_T], _R], value: _T, size: int) -> _R:
    """Returns ``function(value)``; ``size`` is how much text it goes through, in characters or bytes."""
    return function(value) if size < _LARGE else await asyncio.to_thread(function, value)


def num_chars(value: object) -> int:
    """Returns how much text an answer holds, about: that of its documents."""
    if isinstance(value, (Trace, DocumentsFound)):
        return sum(len(document.text) for document in value.documents)
    return len(value.text) if isinstance(value, DocumentText) else 0
