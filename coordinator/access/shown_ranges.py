"""Which tokens of a document were shown of late, each counted once."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Shown:
    """Tokens ``[start, end)``, last shown at the time ``at``."""

    start: int
    end: int
    at: float


class ShownRanges:
    """The tokens of one document that were shown in the last ``seconds``.

    As many ranges are kept as there are different tokens in them, at the most; they are disjoint.
    """

    __slots__ = ("_ranges", "_seconds")

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._ranges: list[_Shown] = []

    def num_tokens(self, now: float) -> int:
        """Returns how many different tokens they are."""
        self._forget(now)
        return sum(shown.end - shown.start for shown in self._ranges)

    def num_with(self, ranges: Iterable[tuple[int, int]], now: float) -> int:
        """Returns how many they would be with some more ranges."""
        self._forget(now)
        merged = sorted([*((shown.start, shown.end) for shown in self._ranges), *ranges])
        total = reached = 0
        for start, end in merged:
            total += max(end - max(start, reached), 0)
            reached = max(reached, end)
        return total

    def add(self, start: int, end: int, now: float) -> None:
        """Takes in that ``[start, end)`` is shown."""
        kept = []
        for shown in self._ranges:
            if shown.start < min(shown.end, start):
                kept.append(_Shown(shown.start, min(shown.end, start), shown.at))
            if max(shown.start, end) < shown.end:
                kept.append(_Shown(max(shown.start, end), shown.end, shown.at))
        if start < end:
            kept.append(_Shown(start, end, now))
        self._ranges = kept

    def reach(self, start: int, most: int, new: int, now: float) -> int:
        """Returns how many tokens from ``start`` on, at most ``most``, hold at most ``new`` that were not shown."""
        self._forget(now)
        end = start
        for shown in sorted(self._ranges, key=lambda each: each.start):
            if shown.end <= end:
                continue
            fresh = min(max(shown.start - end, 0), new)
            end, new = end + fresh, new - fresh
            if end < shown.start:
                return min(end - start, most)
            end = shown.end
        return min(end - start + new, most)

    def room_in_s(self, now: float) -> float:
        """Returns when the first of them is forgotten."""
        self._forget(now)
        return min((shown.at for shown in self._ranges), default=now - self._seconds) + self._seconds - now

    def _forget(self, now: float) -> None:
        self._ranges = [shown for shown in self._ranges if now - shown.at < self._seconds]
