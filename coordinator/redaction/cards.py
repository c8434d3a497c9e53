"""Numbers of payment cards: the lengths and first digits that issuers have, and Luhn's check digit."""

import re
from collections.abc import Iterator

from coordinator.redaction.found import Found, Kind

# Not inside a longer number, a decimal, a name or a signed number.
_NUMBER = re.compile(r"(?<![\w.,+])(?<!\d[-/])\d(?:[ -]?\d){13,18}(?![ -]?\d|[.,]\d|\w)")
_SEPARATED = re.compile(r"\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?|\d{4}([ -])\d{6}\2\d{4,5}")
_ISSUERS = (
    (re.compile(r"4"), (16, 19)),  # Visa
    (re.compile(r"5[1-5]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)"), (16,)),  # Mastercard
    (re.compile(r"3[47]"), (15,)),  # American Express
    (re.compile(r"6011|65|64[4-9]"), (16, 19)),  # Discover
    (re.compile(r"30[0-5]|3[689]"), (14,)),  # Diners Club
    (re.compile(r"352[89]|35[3-8]"), (16,)),  # JCB
    (re.compile(r"62"), (16, 17, 18, 19)),  # UnionPay
)
_LEAST_DIGITS = 14
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def cards(text: str, first: int, last: int) -> Iterator[Found]:
    """Yields the card numbers whose digits begin in a run of digits ``first`` to ``last`` of a text."""
    if last - first < _LEAST_DIGITS - 1:
        return
    for number in _NUMBER.finditer(text, max(0, first - 1), min(len(text), last + 3)):
        shown = number[0]
        digits = shown.replace(" ", "").replace("-", "")
        grouped = len(digits) == len(shown) or _SEPARATED.fullmatch(shown)
        if grouped and _has_issuer(digits) and luhn(digits):
            yield Found(number.start(), number.end(), Kind.CARD)


def luhn(digits: str) -> bool:
    """Returns whether the last of some digits is Luhn's check digit of the others."""
    values = [ord(digit) - ord("0") for digit in reversed(digits)]
    return (sum(values[::2]) + sum(_DOUBLED[value] for value in values[1::2])) % 10 == 0


def _has_issuer(digits: str) -> bool:
    return any(len(digits) in lengths and first.match(digits) for first, lengths in _ISSUERS)
