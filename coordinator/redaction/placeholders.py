"""A text with placeholders in place of what was found, and where its ranges have gone."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from coordinator.redaction.found import Found


class RedactedText:
    """A text in which placeholders stand for what was found.

    Attributes:
        text: The text as it may be shown.
    """

    def __init__(self, text: str, found: Sequence[Found]):
        """Replaces ``found``, which is by start and disjoint, as `found.merged` returns it."""
        placeholders = [f"[{one.kind}]" for one in found]
        ends = [0, *(one.end for one in found)]
        starts = [*(one.start for one in found), len(text)]
        kept = [text[start:end] for start, end in zip(ends, starts, strict=True)]
        self.text = "".join(part for pair in zip(kept, [*placeholders, ""], strict=True) for part in pair)
        self._found = found
        self._starts = starts[:-1]
        # By how much the text has grown up to the end of each that was found.
        grown = (len(name) - (one.end - one.start) for name, one in zip(placeholders, found, strict=True))
        self._grown = list(accumulate(grown, initial=0))
        self._lengths = [len(name) for name in placeholders]

    def moved(self, start: int, end: int) -> tuple[int, int]:
        """Returns where characters ``[start, end)`` of the text are now.

        A range that begins or ends inside what was replaced holds the whole placeholder; an empty one stays empty.
        """
        if start == end:
            place = self._start(start)
            return place, place
        return self._start(start), self._end(end)

    def _start(self, place: int) -> int:
        number = bisect_right(self._starts, place) - 1
        if number >= 0 and place < self._found[number].end:
            return self._found[number].start + self._grown[number]
        return place + self._grown[number + 1]

    def _end(self, place: int) -> int:
        number = bisect_right(self._starts, place - 1) - 1
        if number >= 0 and place <= self._found[number].end:
            return self._found[number].start + self._grown[number] + self._lengths[number]
        return place + self._grown[number + 1]
