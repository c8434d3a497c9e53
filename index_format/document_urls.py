"""Which page a url of a document's metadata names, however it is written.

What is written in two ways and read by browsers as one is one here, by the rules of the URL Standard
(https://url.spec.whatwg.org) as far as they matter for finding a page: blanks round it and line ends in it, case and
international form of the host, the dot at its end, the port that goes without saying, name and password, dots in the
path, escapes. What comes after ``#`` names a place in the page and is left out. ``http`` and ``https`` are one page,
and so are two urls that differ in the escapes of what RFC 2396 still called unreserved, as the brackets in
``/wiki/Bow_(weapon)``: a takedown would rather concern one document more.
"""

import re
import string
from unicodedata import normalize
from urllib.parse import unquote

MAX_HOST_CHARS = 253
"""Most characters of a host, as DNS has it; what is longer is none."""

# What browsers drop, and marks that no reader sees.
_ROUND = "".join(map(chr, range(33))) + "\x7f\u00a0\u200b\u200c\u200d\u2060\ufeff"
_INSIDE = str.maketrans("", "", "\t\n\r")
# Browsers read a web address with any number of slashes, of both kinds.
_WEB = re.compile(r"https?:[/\\]*", re.IGNORECASE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?=//)")
_END_OF_HOST = re.compile(r"[/?#\\]")
_HOST_AND_PORT = re.compile(r"(\[[^\]]*\]|[^:]*)(?::([0-9]*))?")
_DEFAULT_PORTS = ("80", "443")
# RFC 3986, 2.3, and the marks that RFC 2396, 2.3, has beside them.
_PLAIN = frozenset(string.ascii_letters + string.digits + "-._~!*'()")
# An escape, or what RFC 3986 lets stand in a path or a query only as one; a percent sign that begins no escape, too.
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})|[^A-Za-z0-9\-._~!*'()$&+,;=:@/?]")
# What UTS 46 (https://www.unicode.org/reports/tr46) keeps, as IDNA2008 does and IDNA2003 did not; the rest of its
# mapping is NFKC with the case folded.
_KEPT_IN_HOST = re.compile("([\u00df\u03c2\u200c\u200d])")
_IGNORED_IN_HOST = re.compile(
    "[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u2060-\u2064\u206a-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0100-\U000e01ef]"
)
_NO_HOST = re.compile(r"[\s/?#\\@:\[\]%<>^|\ufffd\ud800-\udfff]")


def host_of(url: str) -> str:
    """Returns the host of a url as `normal_host` writes one; empty if it has none.

    A url without a scheme begins with its host.
    """
    _, authority, _ = _parts(url)
    host = authority[1:].partition("]")[0] if authority.startswith("[") else authority.partition(":")[0]
    return normal_host(host)


def normal_url(url: str) -> str:
    """Returns a url as it is compared: the same for all that name one page; to the letter if it has no host."""
    scheme, authority, rest = _parts(url)
    found = _HOST_AND_PORT.fullmatch(authority)
    host = normal_host(found[1]) if found is not None else ""
    if found is None or not host:
        return url.strip(_ROUND)
    # Not as an integer: it may have any number of digits.
    port = found[2].lstrip("0") or "0" if found[2] else ""
    if not scheme and port in _DEFAULT_PORTS:
        port = ""
    path, question_mark, query = rest.partition("#")[0].partition("?")
    path = _without_dots(_ESCAPE.sub(_one_escape, path.replace("\\", "/")))
    return f"{scheme}//{host}{port and f':{port}'}{path}{question_mark}{_ESCAPE.sub(_one_escape, query)}"


def normal_host(host: str) -> str:
    """Returns the name of a host in lower case, without the dot at its end, international names in their ASCII form.

    Empty for what can be none: a browser refuses it, or it has more than `MAX_HOST_CHARS` characters.
    """
    if "%" not in host and host.isascii():
        name = host.rstrip(".").lower()
        return name if len(name) <= MAX_HOST_CHARS else ""
    name = unquote(host).rstrip(".")
    # The ASCII form of a name takes the square of its length.
    if len(name) > MAX_HOST_CHARS:
        return ""
    name = _mapped(name).rstrip(".")
    if _NO_HOST.search(name):
        return ""
    return ".".join(
        label if label.isascii() else f"xn--{label.encode('punycode').decode()}" for label in name.split(".")
    )


def _mapped(host: str) -> str:
    """Returns a host with all forms of a character made one, as UTS 46 maps them."""
    parts = _KEPT_IN_HOST.split(_IGNORED_IN_HOST.sub("", host.replace("\u1e9e", "\u00df")))
    folded = (
        part if place % 2 else normalize("NFKC", normalize("NFKC", part).casefold()) for place, part in enumerate(parts)
    )
    return normalize("NFC", "".join(folded)).replace("\u3002", ".")


def _parts(url: str) -> tuple[str, str, str]:
    """Returns scheme (none of the web's), host with its port, and what comes after them."""
    url = url.strip(_ROUND).translate(_INSIDE)
    web = _WEB.match(url)
    if web is not None:
        scheme, rest = "", url[web.end() :]
    else:
        other = _SCHEME.match(url)
        scheme, rest = (other[0].lower(), url[other.end() :]) if other else ("", url)
        rest = rest.removeprefix("//")
    end = _END_OF_HOST.search(rest)
    split = end.start() if end is not None else len(rest)
    return scheme, rest[:split].rpartition("@")[2], rest[split:]


def _one_escape(found: re.Match[str]) -> str:
    """Returns an escape, or what has to be one, as all write it: plain characters as they are, the rest as UTF-8."""
    if found[1] is None:
        return "".join(f"%{byte:02X}" for byte in found[0].encode(errors="surrogatepass"))
    plain = chr(int(found[1], 16))
    return plain if plain in _PLAIN else found[0].upper()


def _without_dots(path: str) -> str:
    """Returns a path that begins with a slash, or is made to, without the segments ``.`` and ``..``."""
    if "/." not in path:
        return path or "/"
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)
