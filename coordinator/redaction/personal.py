"""Texts that are personal data themselves: whether they occur in a corpus is an answer about a person."""

from coordinator.errors import InvalidRequestError
from coordinator.redaction.display import Display
from coordinator.redaction.found import Passage

# Of the characters that are no white space.
_MOSTLY = 0.5


class PersonalTexts:
    """Tells which parts of one text are mostly personal data; what may be the half of some at its ends counts."""

    def __init__(self, text: str, display: Display):
        """Looks through the text once."""
        [found] = display.find([Passage(text, cut_start=True, cut_end=True)])
        self._text = text
        self._found = found

    def is_mostly(self, start: int, end: int) -> bool:
        """Returns whether characters ``[start, end)`` are."""
        size = self._size(start, end)
        personal = sum(self._size(max(one.start, start), min(one.end, end)) for one in self._found)
        return size > 0 and personal >= _MOSTLY * size

    def _size(self, start: int, end: int) -> int:
        return sum(map(len, self._text[start:end].split())) if start < end else 0


def refuse_personal(what: str, text: str, display: Display) -> PersonalTexts:
    """Returns what is personal in a text to search for, none of which is mostly so.

    Raises:
        InvalidRequestError: it is.
    """
    found = PersonalTexts(text, display)
    if found.is_mostly(0, len(text)):
        raise InvalidRequestError(
            f"{what} is mostly personal data or a key; this service does not tell whether such texts occur", field=what
        )
    return found
