"""Texts that tell of personal data by occurring: whether they stand in a corpus is an answer about a person."""

from coordinator.errors import InvalidRequestError
from coordinator.redaction.display import Display
from coordinator.redaction.found import Passage

# Of the characters that are no white space.
_MOSTLY = 0.5


class PersonalTexts:
    """Tells which parts of one text say something of a person if they occur."""

    def __init__(self, text: str, display: Display):
        """Looks through the text: for what it holds, and for what may be the half of some at its ends."""
        whole, halves = Passage(text), Passage(text, cut_start=True, cut_end=True)
        self._whole, self._found = display.find([whole, halves])
        self._text = text

    def is_telling(self, start: int, end: int) -> bool:
        """Returns whether characters ``[start, end)`` hold personal data, all of it, or are mostly part of some.

        However much stands round it: with a few words more that are guessed, a number would be confirmed as well.
        """
        return any(start <= one.start and one.end <= end for one in self._whole) or self.is_mostly(start, end)

    def is_mostly(self, start: int, end: int) -> bool:
        """Returns whether characters ``[start, end)`` are mostly personal data, or what may be the half of some."""
        size = self._size(start, end)
        personal = sum(self._size(max(one.start, start), min(one.end, end)) for one in self._found)
        return size > 0 and personal >= _MOSTLY * size

    def _size(self, start: int, end: int) -> int:
        return sum(map(len, self._text[start:end].split())) if start < end else 0


def refuse_telling(what: str, text: str, display: Display) -> None:
    """Checks that a text, which is looked for as a whole, tells of nobody.

    Raises:
        InvalidRequestError: it does.
    """
    if PersonalTexts(text, display).is_telling(0, len(text)):
        raise InvalidRequestError(
            f"{what} holds personal data or a key; this service does not tell whether such texts occur", field=what
        )


def refuse_personal(what: str, text: str, display: Display) -> PersonalTexts:
    """Returns what is personal in a text whose parts are looked for; it is not mostly so.

    Raises:
        InvalidRequestError: it is.
    """
    found = PersonalTexts(text, display)
    if found.is_mostly(0, len(text)):
        raise InvalidRequestError(
            f"{what} is mostly personal data or a key; this service does not tell whether such texts occur", field=what
        )
    return found
