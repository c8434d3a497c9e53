"""Which tokens of a document were shown of late, each counted once."""

from collections.abc import Iterable


class ShownRanges:
    """The tokens of one document that were shown in the last ``seconds``.

    As many ranges are kept as there are different tokens in them, at the most; they are disjoint.
    """

    __slots__ = ("_ranges", "_seconds")

    def __init__(self, seconds: float):
        self._seconds = seconds
        # Start, end, and when it was shown last.
        self._ranges: list[tuple[int, int, float]] = []

    def num_tokens(self, now: float) -> int:
        """Returns how many different tokens they are."""
        self._forget(now)
        return _num_tokens(self._ranges)

    def take(self, ranges: Iterable[tuple[int, int]], most: int, now: float) -> bool:
        """Takes in that more ranges are shown, unless there would be more than ``most`` tokens then; says whether."""
        disjoint = _disjoint(ranges)
        num_known = self.num_tokens(now)
        if num_known + _num_tokens(disjoint) > most:  # unless they are known
            known = [(start, end) for start, end, _ in self._ranges]
            if _num_tokens(_disjoint(known + disjoint)) > most:
                return False
        for start, end in disjoint:
            self.add(start, end, now)
        return True

    def add(self, start: int, end: int, now: float) -> None:
        """Takes in that ``[start, end)`` is shown, which is not empty."""
        kept = []
        for old in self._ranges:
            old_start, old_end, at = old
            if old_end <= start or end <= old_start:
                kept.append(old)
                continue
            if old_start < start:
                kept.append((old_start, start, at))
            if end < old_end:
                kept.append((end, old_end, at))
        kept.append((start, end, now))
        self._ranges = kept

    def reach(self, start: int, most: int, new: int, now: float) -> int:
        """Returns how many tokens from ``start`` on, at most ``most``, hold at most ``new`` that were not shown."""
        self._forget(now)
        end = start
        for shown_start, shown_end, _ in sorted(self._ranges):
            if shown_end <= end:
                continue
            fresh = min(max(shown_start - end, 0), new)
            end, new = end + fresh, new - fresh
            if end < shown_start:
                return min(end - start, most)
            end = shown_end
        return min(end - start + new, most)

    def room_in_s(self, now: float) -> float:
        """Returns when the first of them is forgotten."""
        self._forget(now)
        return min((at for _, _, at in self._ranges), default=now - self._seconds) + self._seconds - now

    def _forget(self, now: float) -> None:
        oldest = now - self._seconds
        for _, _, at in self._ranges:
            if at <= oldest:
                self._ranges = [shown for shown in self._ranges if shown[2] > oldest]
                return


def _disjoint(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Returns ranges that hold the same tokens, each once, in order; none is empty."""
    found: list[tuple[int, int]] = []
    reached = 0
    for start, end in sorted(ranges):
        if end > reached and end > start:
            if found and start <= reached:
                found[-1] = (found[-1][0], end)
            else:
                found.append((start, end))
            reached = end
    return found


def _num_tokens(disjoint: Iterable[tuple[int, int] | tuple[int, int, float]]) -> int:
    num = 0
    for each in disjoint:
        num += each[1] - each[0]
    return num
