"""Ends of passages at which plain words stand: no cut has halved anything there. Most are such, and told at once."""

import re

_WORD = "[A-Za-z]{1,15}"
# What comes after two words decides, too: ``name at ) host (dot) com``.
_PLAIN_START = re.compile(rf"[ ']?{_WORD},? {_WORD},? [A-Za-z]")
_NAMES = ("bearer", "basic")
_LONGEST_WORD = 15


def starts_plainly(text: str) -> bool:
    """Returns whether neither `edges.at_start` nor `cut_words.rests` can find anything, by the first words."""
    return _PLAIN_START.match(text) is not None


def ends_plainly(text: str) -> bool:
    """Returns whether `edges.at_end` and `cut_words.beginnings` find at most a spelled address, by the last words."""
    words = text[-3 * _LONGEST_WORD :].rsplit(" ", 2)
    if len(words) < 3:
        return False
    before, last = words[1].removesuffix(","), words[2]
    return (
        len(last) <= _LONGEST_WORD
        and last.isascii()
        and last.isalpha()
        and (last[1:].islower() or len(last) == 1)
        and before.isascii()
        and before.isalpha()
        and before.lower() not in _NAMES
    )
