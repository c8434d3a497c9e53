"""What a redactor takes and returns."""

import enum
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol


class Kind(enum.StrEnum):
    """What was found; its placeholder is ``[EMAIL]`` and so on. A plug-in may find kinds of its own."""

    EMAIL = "EMAIL"
    PHONE = "PHONE"
    IP = "IP"
    KEY = "KEY"
    CARD = "CARD"


class Found(NamedTuple):
    """Personal data or a secret: characters ``[start, end)`` of a text, never empty, and its kind in capitals."""

    start: int
    end: int
    kind: str


class Passage(NamedTuple):
    """A text to be looked through.

    Where it is cut from a longer one, the half of something may stand at that end: what could be one counts as found.
    """

    text: str
    cut_start: bool = False
    cut_end: bool = False


class Redactor(Protocol):
    """Finds what must not be shown. Called from several threads at once."""

    def find(self, passages: Sequence[Passage]) -> Sequence[Sequence[Found]]:
        """Returns what each passage holds, in any order; overlaps are allowed."""


def merged(found: Iterable[Found]) -> list[Found]:
    """Returns what was found in one text, by start, disjoint: what overlaps is one, of the kind that begins first.

    Of two that begin together it is the longer one's kind.
    """
    result: list[Found] = []
    for one in sorted(found, key=lambda one: (one.start, -one.end)):
        if result and one.start < result[-1].end:
            last = result[-1]
            result[-1] = last._replace(end=max(last.end, one.end))
        else:
            result.append(one)
    return result
