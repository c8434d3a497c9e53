"""What stands at the cut end of a passage and may be the half of something: it counts as found.

Who chooses where a text is cut must not come to see in two halves what is hidden in one piece. A few characters of a
half do get through: four digits, one number of an address, nine characters of a key, a name before an at-sign.
"""

import re
import string
from collections.abc import Iterator

from coordinator.redaction.emails import rest_of_domain
from coordinator.redaction.found import Found, Kind
from coordinator.redaction.keys import is_random

# The most characters that a number or address has which is told by its last ones.
_TAIL = 48
_GAPS = " ().-/+\u00a0"
_GAP = r"[ ().\-/\u00a0]"
_PARTS_OF_FOUR = re.compile(r"\d{1,3}(?:\.\d{1,3}){1,3}\.?")
_PARTS_OF_SIX = re.compile(r"[23][0-9a-fA-F]{3}:[0-9a-fA-F:]+")
_FIVE_DIGITS = re.compile(rf"[+(]{{0,2}}\d(?:{_GAP}{{0,3}}\d){{4,18}}{_GAP}{{0,3}}\Z")
_KEY_PREFIX = re.compile(
    r"(?:A[KS]IA|gh[pousr]_|github_pat_|glpat-|xox[a-z]-|xapp-|AIza|ya29\.|GOCSPX-|[sr]k_(?:live|test)_|sk-|hf_|npm_|pypi-"
    r"|SG\.|hvs\.|eyJ).{4}"
)
_STARTS = (
    (Kind.IP, re.compile(r"\.?\d{1,3}(?:\.\d{1,3}){1,3}(?![\w]|\.\d)")),
    (Kind.IP, re.compile(r"[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}(?![\w:])")),
    (Kind.PHONE, re.compile(rf"{_GAP}{{0,3}}\d(?:{_GAP}{{0,3}}\d){{4,18}}(?!\w)")),
)
_PARTS = re.compile("[-/=+.]")
_KEY_CHARS = string.ascii_letters + string.digits + "_+/=-"
_LEAST_KEY, _LONGEST_KEY = 10, 512
# With dots: of ``SG.key.key`` the cut may have left all but the name.
_RUN_AT_START = re.compile(rf"[A-Za-z0-9_+/=.-]{{{_LEAST_KEY},}}")
# A value whose name is cut off: ``ret_key = "..."``.
_NAMED_AT_START = re.compile(r"(?:[\w-]{0,40}[\"']?\s{0,3}(?:=>|:=|[:=]))?\s{0,3}[\"']?([A-Za-z0-9_+/=.-]{20,255})")
# The rest of a JSON web token's header, which whoever knows it can put before the payload again.
_TOKEN_AT_START = re.compile(r"[A-Za-z0-9_-]*\.eyJ[A-Za-z0-9_-]{8,8000}(?:\.[A-Za-z0-9_-]{0,2000})?")
# The inside of a private key: lines of base64 up to the cut.
_LINES_AT_END = re.compile(r"(?:^[A-Za-z0-9+/=]{60,76}\r?\n)+[A-Za-z0-9+/=]*\Z", re.MULTILINE)
_LINES_AT_START = re.compile(r"[A-Za-z0-9+/=]*\r?\n(?:[A-Za-z0-9+/=]{60,76}(?:\r?\n|\Z))+")


def at_start(text: str) -> list[Found]:
    """Returns what a cut at the start of a text may have left of something."""
    rest = rest_of_domain(text)
    head = text[:_LEAST_KEY]
    named = _NAMED_AT_START.match(text)
    if named is not None and is_random(named[1], least_digits=1):
        return [Found(*named.span(1), Kind.KEY), *_halves_at_start(text, rest)]
    if " " in head and not head.lstrip(_GAPS)[:1].isdigit():
        return [] if rest is None else [rest]
    return list(_halves_at_start(text, rest))


def at_end(text: str) -> list[Found]:
    """Returns what a cut at the end of a text may have left of something."""
    tail = text[-_LEAST_KEY:]
    if " " in tail and not tail.rstrip(_GAPS)[-1:].isdigit():
        return []
    return list(_halves_at_end(text))


def _halves_at_start(text: str, rest: Found | None) -> Iterator[Found]:
    if rest is not None:
        yield rest
    for kind, pattern in _STARTS:
        found = pattern.match(text)
        if found is not None:
            yield Found(0, found.end(), kind)
    token = _TOKEN_AT_START.match(text)
    if token is not None:
        yield Found(0, token.end(), Kind.KEY)
    run = _RUN_AT_START.match(text)
    if run is not None and _may_be_key(run[0]):
        lines = _LINES_AT_START.match(text)
        yield Found(0, max(len(run[0].rstrip(".")), lines.end() if lines else 0), Kind.KEY)


def _halves_at_end(text: str) -> Iterator[Found]:
    size = len(text)
    tail = text[-_TAIL:]
    number = _ending(tail, string.digits + _GAPS)
    digits = _FIVE_DIGITS.search(number)
    if digits is not None and not _is_in_word(text, size - len(number) + digits.start()):
        yield Found(size - len(number) + digits.start(), size, Kind.PHONE)
    for chars, pattern in ((string.digits + ".", _PARTS_OF_FOUR), (string.hexdigits + ":", _PARTS_OF_SIX)):
        address = _ending(tail, chars)
        if pattern.fullmatch(address) and not _is_in_word(text, size - len(address)):
            yield Found(size - len(address), size, Kind.IP)
    key = _ending(text[-_LONGEST_KEY:], _KEY_CHARS + ".")
    if _KEY_PREFIX.match(key):
        yield Found(size - len(key), size, Kind.KEY)
    run = _ending(key, _KEY_CHARS)
    if len(run) >= _LEAST_KEY and _may_be_key(run):
        lines = _LINES_AT_END.search(text)
        yield Found(min(size - len(run), lines.start() if lines else size), size, Kind.KEY)


def _may_be_key(run: str) -> bool:
    """Returns whether a run may be of a key: at a cut, whatever has a long part with letters and digits."""
    return any(
        len(part) >= _LEAST_KEY and any(map(str.isdigit, part)) and any(map(str.isalpha, part))
        for part in _PARTS.split(run)
    )


def _ending(text: str, characters: str) -> str:
    """Returns the longest end of a text that has no other characters."""
    return text[len(text.rstrip(characters)) :]


def _is_in_word(text: str, place: int) -> bool:
    """Returns whether what begins at ``place`` is the rest of a word or number."""
    before = text[place - 1 : place]
    return before.isalnum() or before in ("_", ".")
