"""What may have held at which time, where a change takes a while until everybody follows it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

_T = TypeVar("_T")


@dataclass(slots=True)
class _Era(Generic[_T]):
    value: _T
    begin_s: float
    end_s: float = float("inf")


@dataclass(slots=True)
class History(Generic[_T]):
    """Values, one after the other. Between `begin` and `settled`, what held before may hold as well.

    Attributes:
        first: What holds from the beginning.
    """

    first: _T
    clock: Callable[[], float] = time.monotonic
    _eras: list[_Era[_T]] = field(init=False)

    def __post_init__(self) -> None:
        self._eras = [_Era(self.first, float("-inf"))]

    @property
    def latest(self) -> _T:
        """The value that began last."""
        return self._eras[-1].value

    def begin(self, value: _T) -> None:
        """Says that from now on a value may hold."""
        self._eras.append(_Era(value, self.clock()))

    def settled(self) -> None:
        """Says that from now on only the value that began last holds."""
        now = self.clock()
        for era in self._eras[:-1]:
            era.end_s = min(era.end_s, now)

    def possible(self, start_s: float, end_s: float) -> list[_T]:
        """Returns the values that may have held at some moment between two, the latest first, each once."""
        found = [era.value for era in reversed(self._eras) if era.begin_s <= end_s and start_s <= era.end_s]
        return [value for number, value in enumerate(found) if value not in found[:number]]
