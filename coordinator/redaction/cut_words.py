"""Halves of what is told by the words or signs round it: passwords in addresses, named values, spelled addresses, keys.

Most passages hold none of these signs near their ends, which is looked for first.
"""

import re
import string
from itertools import pairwise

from coordinator.redaction.found import Found, Kind
from coordinator.redaction.keys import NAMES_OF_VALUES, PASSWORD_AT_END, is_random
from coordinator.redaction.top_level_domains import is_top_level_domain

# How far from a cut the sign may stand that tells what is cut.
_NEAR = 200
_PASSWORD_AT_START = re.compile(
    r"(?:[^\s@\"'<>]{0,80}:)?([^\s/:@\"'<>{}$]{3,128})@[A-Za-z0-9][A-Za-z0-9.-]{0,100}(?::\d{1,5})?(?:[/\s\"']|\Z)"
)
# After what is left of ``Bearer`` or ``Basic``.
_TOKEN_AT_START = re.compile(r"[a-zA-Z]{0,6}\s{1,3}([A-Za-z0-9_+/=.-]{20,255})")
_VALUE_CHARS = string.ascii_letters + string.digits + "_+/.-"
_LEAST_VALUE = 6
_BEFORE_VALUES = (":", "=", ">", "bearer", "basic")
_NAMED_AT_END = re.compile(
    rf"(?:{NAMES_OF_VALUES}[\"']?\s{{0,3}}(?:[:=]|=>|:=)\s{{0,3}}[\"']?|\b(?:bearer|basic)\s{{1,3}})"
    rf"([A-Za-z0-9_+/.-]{{{_LEAST_VALUE},255}})\Z",
    re.IGNORECASE,
)
_SPELLED_AT_END = re.compile(r"[\w.+-]{2,64}\s?[\[({]\s?at(?:\s?[\])}][\w\s.()\[\]{}-]{0,80})?\Z", re.IGNORECASE)
# The most that it has from the bracket on.
_AFTER_AT = 90
_SPELLED_AT_START = re.compile(
    r"(?:[\w.+-]{0,64}\s?[\[({]?\s?a?t\s?[\])}]\s?)?[\w-]{0,63}\s?[\[({]\s?dot\s?[\])}]\s?([a-z]{2,24})", re.IGNORECASE
)
_PREFIXES = (
    *("hf_", "npm_", "glpat-", "github_pat_"),
    *(f"gh{letter}_" for letter in "pousr"),
    *(f"{letter}k_{kind}_" for letter in "sr" for kind in ("live", "test")),
    *(f"xox{letter}-" for letter in "abeoprs"),
)
# What a cut may have left of them.
_RESTS = frozenset(prefix[start:] for prefix in _PREFIXES for start in range(1, len(prefix)))
_KEY_AT_START = re.compile(r"([a-z_]{0,10}[_-])?([A-Za-z0-9]{20,255})")
# Letters of both cases without order, as random ones are: names of classes have fewer capitals.
_LEAST_CAPITALS, _MOST_CAPITALS, _LEAST_CHANGES = 0.3, 0.7, 0.25


def rests(text: str) -> list[Found]:
    """Returns what a cut at the start of a text may have left of something."""
    found = []
    near = text[:_NEAR]
    if "@" in near and (password := _PASSWORD_AT_START.match(text)):
        found.append(Found(*password.span(1), Kind.KEY))
    if (
        ("dot" in near or "DOT" in near)
        and (spelled := _SPELLED_AT_START.match(text))
        and is_top_level_domain(spelled[1])
    ):
        found.append(Found(0, spelled.end(), Kind.EMAIL))
    if (token := _TOKEN_AT_START.match(text)) and is_random(token[1], least_digits=1):
        found.append(Found(*token.span(1), Kind.KEY))
    if (key := _KEY_AT_START.match(text)) and (key[1] in _RESTS or _is_unordered(key[2])):
        found.append(Found(0, key.end(), Kind.KEY))
    return found


def beginnings(text: str) -> list[Found]:
    """Returns what a cut at the end of a text may have left of something."""
    found = []
    start = max(0, len(text) - _NEAR)
    near = text[start:]
    if "://" in near and (password := PASSWORD_AT_END.search(text, start)) and not password[1].isdigit():
        found.append(Found(*password.span(1), Kind.KEY))
    before = near.rstrip(_VALUE_CHARS)
    if len(near) - len(before) >= _LEAST_VALUE and before.rstrip(" \"'")[-6:].lower().endswith(_BEFORE_VALUES):
        named = _NAMED_AT_END.search(text, start)
        if named is not None and not _is_prose(named[0], named[1]):
            found.append(Found(*named.span(1), Kind.KEY))
    return found


def _is_prose(found: str, value: str) -> bool:
    """Returns whether what was found reads like ``basic training``."""
    return found.lower().startswith(("bearer", "basic")) and value.isalpha() and value[1:].islower()


def spelled_beginning(text: str) -> list[Found]:
    """Returns what a cut at the end of a text may have left of a spelled address."""
    near = text[-_AFTER_AT:]
    if not ("(" in near or "[" in near or "{" in near) or not _tells_at(near):
        return []
    spelled = _SPELLED_AT_END.search(text, max(0, len(text) - _NEAR))
    return [] if spelled is None else [Found(spelled.start(), spelled.end(), Kind.EMAIL)]


def _tells_at(near: str) -> bool:
    return "(at" in near or "[at" in near or "{at" in near or "[AT" in near or "(AT" in near or "( at" in near


def _is_unordered(run: str) -> bool:
    capitals = sum(map(str.isupper, run)) / len(run)
    changes = sum(one.isupper() != other.isupper() for one, other in pairwise(run))
    return _LEAST_CAPITALS <= capitals <= _MOST_CAPITALS and changes >= _LEAST_CHANGES * len(run)
