"""Where a look is worth its time: one pass over the characters of all passages, before any pattern is tried.

All that is looked for has an at-sign, digits (near one another, between dots or colons, or among letters), or begins as
keys of some kind do: these may be of letters only. Digits of other scripts are not seen.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

# The fewest digits of a phone number, and the most that stands between two of them.
_PHONE_DIGITS = 7
_MOST_GAP = 3
# Between the first and the last of three dots with digits on both sides: the inside of an IPv4 address.
_BETWEEN_DOTS = 8
# The shortest keys: letters, digits, ``_`` and ``-`` without a gap.
_KEY_CHARS = 20
# Room round the text, so that no neighbour of a character is outside.
_PADDING = 32

_DIGIT, _SIGN, _PERCENT, _CLOSING, _JOINT, _OF_AWS = 1, 2, 3, 4, 5, 6
_CLASSES = bytearray(256)
_OF_KEYS, _IS_GAP = np.zeros(256, dtype=bool), np.zeros(256, dtype=bool)
for _text, _class in (
    ("0123456789", _DIGIT),
    ("@", _SIGN),
    ("%", _PERCENT),
    (")]}", _CLOSING),
    ("_-", _JOINT),
    ("I", _OF_AWS),
):
    for _character in _text:
        _CLASSES[ord(_character)] = _class
for _character in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-":
    _OF_KEYS[ord(_character)] = True
# The last two letters before the joint of keys that may be of letters only: hf_, ghp_, sk_live_, npm_, glpat-, xoxb-.
_BEFORE_JOINT = np.zeros(1 << 16, dtype=bool)
for _text in ("hf", "hp", "ho", "hu", "hs", "hr", "ve", "st", "pm", "at", *map("x{}".format, "abeoprs")):
    _BEFORE_JOINT[ord(_text[0]) << 8 | ord(_text[1])] = True
_OF_BASE64 = _OF_KEYS.copy()
_OF_BASE64[[ord("/"), ord("+")]] = True
for _character in " ()./-?":  # what is not ASCII has become a question mark: hard spaces, dashes
    _IS_GAP[ord(_character)] = True
_TABLE = bytes(_CLASSES)


@dataclass(slots=True)
class Places:
    """Where something may be in one passage: indexes of its characters, ascending.

    Attributes:
        signs: At-signs, and what may stand for one: the ``%`` of ``%40``, the bracket that closes ``(at)``.
        dots: First dots of what may be an IPv4 address.
        groups: Starts of what may be an IPv6 address.
        keys: Places inside what may be a key.
        runs: Ranges in which seven digits or more stand near one another, first and last digit included.
    """

    signs: list[int] = field(default_factory=list)
    dots: list[int] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    runs: list[tuple[int, int]] = field(default_factory=list)


def places(texts: Sequence[str]) -> list[Places | None]:
    """Returns where a look into each text is worth its time; None where it is not.

    Cost: about 2 ns a character.
    """
    result: list[Places | None] = [None] * len(texts)
    around = bytes(_PADDING)
    # One byte a character. Most texts are ASCII, which goes without a look at each.
    joined = b"\n".join([around, *(text.encode("ascii", "replace") for text in texts), around])
    classes = np.frombuffer(joined.translate(_TABLE), dtype=np.uint8)
    flagged = np.flatnonzero(classes != 0)
    if not len(flagged):
        return result
    characters = np.frombuffer(joined, dtype=np.uint8)
    classes = classes[flagged]
    digits = flagged[classes == _DIGIT]
    starts = list(accumulate((len(text) + 1 for text in texts), initial=_PADDING + 1))

    def place(number: int) -> Places:
        found = result[number]
        if found is None:
            found = result[number] = Places()
        return found

    for name, found in (
        ("signs", _signs(characters, flagged, classes)),
        ("dots", _dots(characters, digits)),
        ("groups", _groups(characters, digits)),
        ("keys", _keys(characters, digits, _beginnings(characters, flagged, classes))),
    ):
        for at in found.tolist():
            number = bisect_right(starts, at) - 1
            getattr(place(number), name).append(at - starts[number])
    for low, high in _runs(characters, digits):
        for number in range(bisect_right(starts, low) - 1, bisect_right(starts, high)):
            begin, end = starts[number], starts[number + 1] - 2
            if max(low, begin) <= min(high, end):
                place(number).runs.append((max(low, begin) - begin, min(high, end) - begin))
    return result


def _signs(characters: Bytes, flagged: Integers, classes: Bytes) -> Integers:
    """Returns at-signs, ``%40``, and brackets that close ``at``."""
    percents = flagged[classes == _PERCENT]
    percents = percents[(characters[percents + 1] == ord("4")) & (characters[percents + 2] == ord("0"))]
    closing = flagged[classes == _CLOSING]
    lower = [characters[closing - back] | 0x20 for back in (1, 2, 3)]
    is_at = (lower[0] == ord("t")) & (lower[1] == ord("a"))
    # ``( at )``: the space before the bracket.
    is_spaced_at = (lower[0] == ord(" ")) & (lower[1] == ord("t")) & (lower[2] == ord("a"))
    return np.sort(np.concatenate((flagged[classes == _SIGN], percents, closing[is_at | is_spaced_at])))


def _dots(characters: Bytes, digits: Integers) -> Integers:
    """Returns the first of three dots near one another, each between two digits."""
    dots = digits[(characters[digits + 1] == ord(".")) & (characters[digits + 2] - ord("0") < 10)] + 1
    first: Integers = dots[:-2][dots[2:] - dots[:-2] <= _BETWEEN_DOTS]
    return first


def _groups(characters: Bytes, digits: Integers) -> Integers:
    """Returns where a group of four begins with the 2 or 3 of all global addresses, and a colon follows."""
    is_first = (characters[digits] == ord("2")) | (characters[digits] == ord("3"))
    groups: Integers = digits[is_first & (characters[digits + 4] == ord(":"))]
    return groups


def _beginnings(characters: Bytes, flagged: Integers, classes: Bytes) -> Integers:
    """Returns where keys of formats that may be of letters only begin: joints, and the ``I`` of AKIA and ASIA."""
    joints, of_aws = flagged[classes == _JOINT], flagged[classes == _OF_AWS]
    joints = joints[_BEFORE_JOINT[characters[joints - 2].astype(np.int64) << 8 | characters[joints - 1]]]
    third = characters[of_aws - 1]
    is_aws = (characters[of_aws - 2] == ord("A")) & ((third == ord("K")) | (third == ord("S")))
    return np.concatenate((joints, of_aws[is_aws & (characters[of_aws + 1] == ord("A"))]))


def _keys(characters: Bytes, digits: Integers, beginnings: Integers) -> Integers:
    """Returns beginnings, and digits beside a letter, inside as many characters without a gap as a key has."""
    before, after = characters[digits - 1], characters[digits + 1]
    is_mixed = ((before | 0x20) - ord("a") < 26) | ((after | 0x20) - ord("a") < 26)
    # In paths, which have slashes as base64 has, small letters stand beside digits as a rule.
    is_capital = (before - ord("A") < 26) | (after - ord("A") < 26)
    mixed, capital = np.concatenate((digits[is_mixed], beginnings)), digits[is_capital]
    return np.union1d(
        mixed[_lengths(characters, mixed, _OF_KEYS) >= _KEY_CHARS],
        capital[_lengths(characters, capital, _OF_BASE64) >= _KEY_CHARS],
    )


def _lengths(characters: Bytes, places: Integers, allowed: npt.NDArray[np.bool_]) -> Integers:
    """Returns how many characters without a gap stand round each place, up to a key's length on either side."""
    steps = np.arange(1, _KEY_CHARS)
    after = ~allowed[characters[places[:, None] + steps]]
    before = ~allowed[characters[places[:, None] - steps]]
    return 1 + _until_gap(after) + _until_gap(before)


def _until_gap(gaps: npt.NDArray[np.bool_]) -> Integers:
    """Returns for each row how many stand before the first gap."""
    found: Integers = np.where(gaps.any(axis=1), gaps.argmax(axis=1), gaps.shape[1])
    return found


def _runs(characters: Bytes, digits: Integers) -> list[tuple[int, int]]:
    """Returns first and last digit of each run of seven or more, with only what stands in numbers between them."""
    if not len(digits):
        return []
    between = np.diff(digits) - 1
    is_linked = between <= _MOST_GAP
    for step in range(1, _MOST_GAP + 1):
        is_linked &= (between < step) | _IS_GAP[characters[digits[:-1] + step]]
    breaks = np.flatnonzero(~is_linked)
    first, last = np.concatenate(([0], breaks + 1)), np.concatenate((breaks, [len(digits) - 1]))
    is_long = last - first >= _PHONE_DIGITS - 1
    return list(zip(digits[first[is_long]].tolist(), digits[last[is_long]].tolist(), strict=True))
