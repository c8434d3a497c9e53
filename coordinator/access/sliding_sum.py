"""How much there was of something in the last hour, or day, to within a slot of that time."""

from collections import deque

_SLOTS = 96


class SlidingSum:
    """Adds up amounts over the last ``seconds``, rather too much than too little: a slot counts until it is over.

    Times are seconds of any clock that does not go back.
    """

    def __init__(self, seconds: float):
        self._slot_s = seconds / _SLOTS
        self._slots: deque[tuple[int, float]] = deque()
        self._total = 0.0

    def add(self, amount: float, now: float) -> None:
        """Adds what there is at ``now``."""
        slot = int(now // self._slot_s)
        if self._slots and self._slots[-1][0] == slot:
            slot, before = self._slots.pop()
            self._slots.append((slot, before + amount))
        else:
            self._slots.append((slot, amount))
        self._total += amount

    def total(self, now: float) -> float:
        """Returns the sum."""
        oldest = int(now // self._slot_s) - _SLOTS
        while self._slots and self._slots[0][0] < oldest:
            self._total -= self._slots.popleft()[1]
        return self._total if self._slots else 0.0

    def room_in_s(self, now: float) -> float:
        """Returns when the sum gets less: the time until its oldest slot is over."""
        self.total(now)
        if not self._slots:
            return 0.0
        return max((self._slots[0][0] + _SLOTS + 1) * self._slot_s - now, 0.0)
