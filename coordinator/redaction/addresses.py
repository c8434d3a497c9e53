"""IP addresses: those that are reachable from everywhere, so that they may be somebody's."""

import ipaddress
import re
from collections.abc import Iterator

from coordinator.redaction.found import Found, Kind

_FOUR = re.compile(r"(?<![\w.-])\d{1,3}(?:\.\d{1,3}){3}(?!\.?\w)(?!-\d)")
_SIX = re.compile(r"(?<![\w:.])[23][0-9a-fA-F]{3}:[0-9a-fA-F:]{2,34}(?:\d{1,3}(?:\.\d{1,3}){3})?(?![\w:])")
# Numbers of versions and sections look like addresses, but for their size.
_MOST_OF_A_VERSION = 30
_OF_ADDRESSES = re.compile(
    r"(?:\b(?:ip|ipv4|address|host|server|server at|ping|dns|resolver|from|client|remote|login)\b\W{0,4}|\bdig @)\Z",
    re.IGNORECASE,
)
_OF_VERSIONS = re.compile(
    r"(?:\b(?:version|ver|release|build|firmware|section|chapter|table|figure|clause|rule|§+)\b\.?|§|\bv\.?)\s?\Z",
    re.IGNORECASE,
)
_WORDS_BEFORE = 16


def addresses(text: str, dots: list[int], groups: list[int]) -> Iterator[Found]:
    """Yields the global addresses whose first dot is in ``dots``, or that begin in ``groups``."""
    for dot in dots:
        found = _FOUR.search(text, max(0, dot - 3), dot + 13)
        if found is not None and found.start() < dot and _is_public_four(text, found):
            yield Found(found.start(), found.end(), Kind.IP)
    for group in groups:
        found = _SIX.match(text, group)
        if found is not None and _is_global(found[0]):
            yield Found(found.start(), found.end(), Kind.IP)


def _is_public_four(text: str, found: re.Match[str]) -> bool:
    if not _is_global(found[0]):
        return False
    before = text[max(0, found.start() - _WORDS_BEFORE) : found.start()]
    if _OF_VERSIONS.search(before):
        return False
    if text[found.end() : found.end() + 2] == ". " and (not before or before[-1] == "\n"):
        return False  # the number of a section
    if ".0.0." in found[0]:
        return False
    is_small = all(int(part) <= _MOST_OF_A_VERSION for part in found[0].split("."))
    return not is_small or _OF_ADDRESSES.search(before) is not None


def _is_global(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return parsed.is_global and not parsed.is_multicast
