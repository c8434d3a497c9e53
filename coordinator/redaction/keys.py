"""Keys and passwords: those whose format says what they are, private key blocks, and passwords inside addresses."""

import re
from collections.abc import Iterator

from coordinator.redaction.found import Found, Kind

_FORMATS = (
    r"(?:AKIA|ASIA|AROA|AIDA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])",  # AWS
    r"gh[pousr]_[A-Za-z0-9]{36,255}",  # GitHub
    r"github_pat_[A-Za-z0-9_]{22,255}",
    r"glpat-[A-Za-z0-9_-]{20,64}",  # GitLab
    r"xox[abeoprs](?:\.xox[bp])?-[A-Za-z0-9-]{10,255}",  # Slack
    r"xapp-\d-[A-Za-z0-9-]{10,255}",
    r"hooks\.slack\.com/services/[A-Za-z0-9/]{20,80}",
    r"AIza[A-Za-z0-9_-]{35}",  # Google
    r"ya29\.[A-Za-z0-9_-]{20,255}",
    r"GOCSPX-[A-Za-z0-9_-]{28}",
    r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,255}",  # Stripe
    r"whsec_[A-Za-z0-9+/=]{24,100}",
    r"sk-(?:proj-|ant-|svcacct-|or-)?(?=[A-Za-z0-9_-]{0,40}\d)(?=[A-Za-z0-9_-]{0,40}[A-Z])[A-Za-z0-9_-]{20,255}",
    r"hf_[A-Za-z0-9]{30,64}",  # Hugging Face
    r"npm_[A-Za-z0-9]{36}",
    r"pypi-[A-Za-z0-9_-]{40,255}",
    r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}",  # SendGrid
    r"SK[0-9a-f]{32}",  # Twilio
    r"key-[0-9a-f]{32}",  # Mailgun
    r"dop_v1_[0-9a-f]{64}",  # DigitalOcean
    r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}",  # Shopify
    r"hvs\.[A-Za-z0-9_-]{24,255}",  # Vault
    r"eyJ[A-Za-z0-9_-]{8,4000}\.eyJ[A-Za-z0-9_-]{8,8000}(?:\.[A-Za-z0-9_-]{0,2000})?",  # JSON web token
)
_KEY = re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(_FORMATS)})")
NAMES_OF_VALUES = (
    r"(?:secret[_-]?access[_-]?key|aws[_-]?secret(?:[_-]?key)?|api[_-]?key|api[_-]?secret|client[_-]?secret|auth[_-]?token"
    r"|access[_-]?token|secret[_-]?key|private[_-]?key|account[_-]?key|token|password|passwd|pwd)"
)
"""Names that call a value a secret, as a pattern."""
PASSWORD_AT_END = re.compile(r"://[^\s/:@\"'<>]{0,64}:([^\s/:@\"'<>{}$]{3,128})\Z")
"""The password at the end of ``scheme://name:password``, before an at-sign or a cut."""

# A part of each, in small letters: the cheap look before the other.
_NAMES = ("secret", "key", "token", "passw", "pwd", "bearer", "basic")
_NAMED = re.compile(
    rf"{NAMES_OF_VALUES}[\"']?\s{{0,3}}(?:[:=]|=>|:=)\s{{0,3}}[\"']?([A-Za-z0-9_+/=.-]{{20,255}})"
    r"|\b(?:bearer|basic)\s{1,3}([A-Za-z0-9_+/=.-]{20,255})",
    re.IGNORECASE,
)
_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
# The lines of a block whose end is missing: base64, and headers before it.
_LINES = re.compile(r"(?:(?:\\n|\s){0,8}(?:[A-Za-z0-9+/=]{16,200}|[A-Za-z-]{1,30}: [^\n]{0,80})){0,400}")
_BLOCK_CHARS = 20_000
_REST_OF_BLOCK = re.compile(r"\A[A-Za-z0-9+/=\s\\]{0,20000}-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
# The inside of a private key whose first and last line are cut off: full lines of base64, and what is left beside them.
_BASE64 = "[A-Za-z0-9+/=]"
_INSIDE = re.compile(rf"{_BASE64}{{0,76}}(?:\r?\n|\\n)(?:{_BASE64}{{60,76}}(?:\r?\n|\\n)){{2,400}}{_BASE64}{{0,76}}")
_REST_OF_LINE = re.compile(f"{_BASE64}*")
_LINE_ENDS = ("\n", "\r\n", "\\n")
# Characters of two full lines with what ends them, and one more.
_TWO_LINES = 160
_RUN = re.compile(r"[^\s\"'`<>,;()\[\]{}|]+")
# How far before such a place a key or its name may begin.
_BEFORE = 80
_PASSWORD_CHARS = 200


def keys(text: str, places: list[int], *, cut_start: bool, cut_end: bool) -> Iterator[Found]:
    """Yields the keys round some places of a text."""
    done = 0
    for place in places:
        if place < done:
            continue
        run = _RUN.match(text, place)
        end = run.end() if run else place
        near = text[max(done, place - _BEFORE) : place]
        for found in _KEY.finditer(text, place - len(near), end):
            yield Found(found.start(), found.end(), Kind.KEY)
        if any(name in near.lower() for name in _NAMES):
            for found in _NAMED.finditer(text, place - len(near), end):
                value = found.lastindex or 0
                if is_random(found[value], least_digits=1):
                    yield Found(*found.span(value), Kind.KEY)
        done = end
    if places and "PRIVATE KEY" in text:
        yield from _blocks(text)
        rest = _REST_OF_BLOCK.match(text) if cut_start else None
        if rest is not None:
            yield Found(0, rest.end(), Kind.KEY)
    if places and (cut_start or cut_end):
        yield from _insides(text, places)


def _insides(text: str, places: list[int]) -> Iterator[Found]:
    """Yields what may be the inside of a private key; a list of hashes has letters of one case only."""
    found_to = looked_to = 0
    for place in places:
        line = _REST_OF_LINE.match(text, place)
        if place < looked_to or line is None:
            continue
        looked_to = line.end()
        if not text.startswith(_LINE_ENDS, looked_to):
            continue
        near = _INSIDE.search(text, max(found_to, place - _TWO_LINES), looked_to + _TWO_LINES)
        found = _INSIDE.match(text, near.start()) if near else None
        if found is not None:
            found_to = looked_to = found.end()
            if all(any(map(has, found[0])) for has in (str.isupper, str.islower, str.isdigit)):
                yield Found(found.start(), found.end(), Kind.KEY)


def passwords(text: str, signs: list[int]) -> Iterator[Found]:
    """Yields the passwords of addresses like ``https://user:password@host``, by their at-signs."""
    for sign in signs:
        if text[sign] != "@":
            continue
        found = PASSWORD_AT_END.search(text, max(0, sign - _PASSWORD_CHARS), sign)
        if found is not None:
            yield Found(*found.span(1), Kind.KEY)


def is_random(value: str, least_digits: int = 2) -> bool:
    """Returns whether a value looks made by a machine: digits among letters of both cases, or among many of one."""
    digits = sum(map(str.isdigit, value))
    upper, lower = sum(map(str.isupper, value)), sum(map(str.islower, value))
    is_mixed = digits >= least_digits and min(upper, lower) >= 2
    return is_mixed or (digits >= 4 and max(upper, lower) >= 4 and "_" not in value)


def _blocks(text: str) -> Iterator[Found]:
    """Yields private keys from their first line to their last, or as far as they go."""
    place = 0
    while begin := _BEGIN.search(text, place):
        end = _END.search(text, begin.end(), begin.end() + _BLOCK_CHARS)
        if end is None:
            end = _LINES.match(text, begin.end())
        place = end.end() if end else begin.end()
        yield Found(begin.start(), place, Kind.KEY)
