"""E-mail addresses: found from their at-sign on, to both sides."""

import re
from collections.abc import Collection, Iterator

from coordinator.redaction.found import Found, Kind
from coordinator.redaction.top_level_domains import is_top_level_domain

_MAX_LOCAL, _MAX_LABEL = 64, 63
# Of the local part, as people write it; quotes and the rarer signs are left out.
_LOCAL = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._%+-'")
_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
# Where a name ends: before no letter or digit, also behind what ends the emphasis of ``_me@example.org_``.
_NO_MORE = r"(?![_-]{0,3}[^\W_])"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.){{1,8}}([^\W\d_]{{2,24}}|xn--[A-Za-z0-9-]{{2,40}}){_NO_MORE}")
# A domain that the end of a passage cuts off.
_DOMAIN_SO_FAR = re.compile(r"[\w.-]{0,255}\Z")
# The rest of an address that the start of a passage cuts off, from inside its domain.
_REST_OF_DOMAIN = re.compile(rf"-?(?:{_LABEL})?(?:\.{_LABEL}){{0,8}}\.([^\W\d_]{{2,24}}){_NO_MORE}")
_SPELLED_DOMAIN = re.compile(
    rf"\s?(?:{_LABEL}(?:\.|\s?[\[({{]\s?dot\s?[\])}}]\s?|\sdot\s)){{1,5}}([^\W\d_]{{2,24}}){_NO_MORE}", re.IGNORECASE
)
_SPELLED_AT = re.compile(r"\s?[\[({]\s?at\s?[\])}]\Z", re.IGNORECASE)
_SPELLED_CHARS = 7
# Endings of domains that are names of methods, too: what is called is no address.
_METHODS = frozenset(("build", "call", "click", "fit", "open", "plus", "post", "run", "search", "select", "show", "to"))
# Where the at-sign is cut off, any name that is often called: ``logger.info(`` is code far more often.
_OFTEN_CALLED = _METHODS | {"at", "do", "id", "in", "info", "is", "link", "name", "my", "pro", "so", "top", "works"}
# Where everybody has the account ``git``.
_GIT_HOSTS = frozenset(
    ("github.com", "gitlab.com", "bitbucket.org", "codeberg.org", "git.sr.ht", "gitee.com", "ssh.dev.azure.com")
)
_PATH = re.compile(r"(?::[0-9]{1,5})?[:/][\w~./-]")


def emails(text: str, signs: list[int], cut_start: bool, cut_end: bool) -> Iterator[Found]:
    """Yields the addresses round the at-signs ``signs`` of a text, and the halves of some where it is cut."""
    for sign in signs:
        found = _spelled(text, sign) if text[sign] in ")]}" else _address(text, sign, cut_start, cut_end)
        if found is not None:
            yield found


def rest_of_domain(text: str) -> Found | None:
    """Returns what stands at the start of a cut text and may be the end of an address; that of a URL goes on."""
    dot = text.find(".", 0, _MAX_LABEL + 1)
    if dot < 0 or text.find(" ", 0, dot) >= 0:
        return None
    rest = _REST_OF_DOMAIN.match(text)
    if (
        rest is None
        or not is_top_level_domain(rest[1], may_be_file=True)
        or _is_call(text, rest, _OFTEN_CALLED)
        or text[rest.end() : rest.end() + 1] == "/"
    ):
        return None
    return Found(0, rest.end(), Kind.EMAIL)


def _address(text: str, sign: int, cut_start: bool, cut_end: bool) -> Found | None:
    after = sign + (3 if text[sign] == "%" else 1)
    start = _start_of_local(text, sign)
    is_cut_before = cut_start and start == 0
    if start == sign and not is_cut_before:
        return None
    domain = _DOMAIN.match(text, after)
    if domain is None:
        so_far = _DOMAIN_SO_FAR.match(text, after) if cut_end else None
        return Found(start, len(text), Kind.EMAIL) if so_far is not None else None
    if cut_end and domain.end() == len(text):
        return Found(start, len(text), Kind.EMAIL)
    if not is_top_level_domain(domain[1]) or _is_call(text, domain, _METHODS):
        return None
    if text[start:sign] == "git" and _is_of_everybody(text, start, domain):
        return None
    return Found(start, domain.end(), Kind.EMAIL)


def _is_call(text: str, domain: re.Match[str], methods: Collection[str]) -> bool:
    """Returns whether it is code: ``x@y.to(device)`` is a product of matrices, ``me@example.org(work)`` an address."""
    return text[domain.end() : domain.end() + 1] == "(" and domain[1] in methods


def _is_of_everybody(text: str, start: int, domain: re.Match[str]) -> bool:
    """Returns whether an address of the name ``git`` is where a repository is: with its path, or of a known host."""
    return (
        domain[0].lower() in _GIT_HOSTS or _PATH.match(text, domain.end()) is not None or text.endswith("//", 0, start)
    )


def _spelled(text: str, closing: int) -> Found | None:
    """Returns ``name (at) host (dot) org``, of which ``closing`` is the first closing bracket."""
    at = _SPELLED_AT.search(text, max(0, closing + 1 - _SPELLED_CHARS), closing + 1)
    if at is None:
        return None
    start = _start_of_local(text, at.start())
    domain = _SPELLED_DOMAIN.match(text, closing + 1)
    if start == at.start() or domain is None or not is_top_level_domain(domain[1]):
        return None
    return Found(start, domain.end(), Kind.EMAIL)


def _start_of_local(text: str, end: int) -> int:
    """Returns where the local part begins that ends at ``end``; ``end`` if there is none."""
    start, least = end, max(0, end - _MAX_LOCAL)
    while start > least and (text[start - 1] in _LOCAL or (text[start - 1] > "\x7f" and text[start - 1].isalnum())):
        start -= 1
    if text[end - 1 : end] in (".", "'"):
        return end
    while start < end and text[start] in ".%+-'":
        start += 1
    return start
