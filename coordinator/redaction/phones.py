"""Phone numbers: what is written as one, and is one by the numbering plan of its country."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from coordinator.redaction.found import Found, Kind

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

_GAP = r"[ \u00a0.\-/\u2010-\u2013]"
# With its country: the plus sign stands right before it.
_INTERNATIONAL = re.compile(rf"(?<![\w+])\+\d(?:{_GAP}{{0,2}}[()]?{_GAP}?\d){{6,14}}(?!\d)")
# As North America writes numbers: (212) 555-0123, 212-555-0123, 212.555.0123, 1-800-555-0199.
_NORTH_AMERICAN = re.compile(
    r"(?<![\w.,/+$€£-])(?<!\d )(?:1[-. ])?(?:\([2-9]\d\d\) ?|[2-9]\d\d(?:-|\.))[2-9]\d\d[-.]\d{4}(?![\w/]|[-.,]\d)"
)
_DOTTED = re.compile(r"[2-9]\d\d\.[2-9]\d\d-|[2-9]\d\d-[2-9]\d\d\.")
# Anything else needs a word before it that says what it is, or the country that the operator set.
_ANNOUNCED = re.compile(
    r"\b(?:tele)?(?:phone|ph|tel|fax|mobile?|mobilnummer|mob|cell|whatsapp|handy|telefon|telefonnummer|rufnummer"
    r"|t[ée]l[ée]phone|tél"
    r"|(call|sms|text(?= me| us)))\b"
    r"(?: ?(?:no|number|num|us|me|at|is|on|us at|me at|him at|her at))?\.?\)?\s?[:#=]?\s{0,2}\Z",
    re.IGNORECASE,
)
_NUMBER = re.compile(rf"(?<![\w.,+$€£])(?<!\d[-/])\(?\d(?:{_GAP}?[()]?{_GAP}?\d){{6,14}}(?![\w]|[-.,/]\d)")
_GROUPED = re.compile(rf"\d{_GAP}\d|[()]")
# 0.5772156, 0-306-40615-2 and 255.255.255.0
_NO_PHONE = re.compile(r"\d[.-]|\d{1,3}(?:\.\d{1,3}){3}\Z")
_SPACED = re.compile(r"\(?\d{2,4}\)?(?:[ \u00a0-]\d{2,4}){2,4}")
_DATE = re.compile(r"(?:1[5-9]|20)\d\d[-/.]\d\d?[-/.]\d\d?\b|\d\d?[-/.]\d\d?[-/.](?:1[5-9]|20)\d\d\b")
_YEARS = re.compile(r"(?:1[0-9]|20)\d\d[-/ ]{1,3}(?:1[0-9]|20)\d\d")
# A part of each word that announces a number: the cheap look before the other.
_PARTS_OF_WORDS = ("ph", "tel", "fax", "mob", "cell", "whats", "call", "sms", "text", "handy", "tél", "ruf")
_WORDS_BEFORE = 28
_MOST_DIGITS, _LEAST_OF_CALLS = 15, 9


def phones(text: str, first: int, last: int, region: str | None) -> Iterator[Found]:
    """Yields the phone numbers in a run of digits ``first`` to ``last`` of a text.

    ``region`` is the country, in two letters, whose numbers are told without a country's code; None for none.
    """
    start, end = max(0, first - 2), min(len(text), last + 3)
    near = text[start:end]
    if "+" in near:
        for found in _INTERNATIONAL.finditer(text, start, end):
            if _is_valid(found[0], None):
                yield Found(found.start(), found.end(), Kind.PHONE)
    if "-" in near or "." in near:
        for found in _NORTH_AMERICAN.finditer(text, start, end):
            if not _DOTTED.match(found[0]) and _is_valid(found[0], "US"):
                yield Found(found.start(), found.end(), Kind.PHONE)
    if region is None and not _may_announce(text[max(0, start - _WORDS_BEFORE) : end].lower()):
        return
    for found in _NUMBER.finditer(text, start, end):
        number = found[0]
        if sum(map(str.isdigit, number)) > _MOST_DIGITS or _DATE.match(number) or _YEARS.match(number):
            continue
        is_grouped = _GROUPED.search(number) is not None
        announced = _ANNOUNCED.search(text, max(0, found.start() - _WORDS_BEFORE), found.start())
        # ``call 1234567`` may name anything, ``tel 1234567`` hardly.
        is_told = announced is not None and (announced[1] is None or is_grouped or len(number) >= _LEAST_OF_CALLS)
        if is_told or (region is not None and _is_written_as_in(region, number) and _is_valid(number, region)):
            yield Found(found.start(), found.end(), Kind.PHONE)


def check_region(region: str) -> str | None:
    """Returns what is wrong with the name of a country; None if nothing is."""
    import phonenumbers

    if region in phonenumbers.SUPPORTED_REGIONS:
        return None
    return f"{region[:20]!r} is no country with phone numbers, expected two capitals like US, GB or DE"


def _is_written_as_in(region: str, number: str) -> bool:
    """Returns whether digits are written as numbers of a country are; by its numbering plan alone many numbers are.

    Where numbers begin with a trunk prefix of 0 they do, or with a bracket. Elsewhere there are three groups or more.
    """
    import phonenumbers

    if _NO_PHONE.match(number) or not _GROUPED.search(number):
        return False
    country = phonenumbers.PhoneMetadata.metadata_for_region(region)
    if country is not None and country.national_prefix == "0":
        return number[0] in "0("
    groups = _SPACED.fullmatch(number)
    return groups is not None and sum(map(str.isdigit, number)) >= _LEAST_OF_CALLS


def _may_announce(text: str) -> bool:
    return any(part in text for part in _PARTS_OF_WORDS)


def _is_valid(number: str, region: str | None) -> bool:
    import phonenumbers  # 70 ms that a trace without numbers need not take

    try:
        parsed: PhoneNumber = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_valid_number(parsed)
