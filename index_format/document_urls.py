"""Which page a url of a document's metadata names, however it is written.

What is written in two ways and read by browsers as one is one here, by the rules of the URL Standard
(https://url.spec.whatwg.org) as far as they matter for finding a page: blanks round it and line ends in it, case and
international form of the host, the dot at its end, the port that goes without saying, name and password, escapes of
plain characters. ``http`` and ``https`` are one page: a takedown would rather concern one document more.
"""

import re
import string
from urllib.parse import unquote

# What browsers drop, and marks that no reader sees.
_ROUND = "".join(map(chr, range(33))) + "\x7f\u00a0\u200b\u200c\u200d\u2060\ufeff"
_INSIDE = str.maketrans("", "", "\t\n\r")
# Browsers read a web address with any number of slashes, of both kinds.
_WEB = re.compile(r"https?:[/\\]*", re.IGNORECASE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?=//)")
_END_OF_HOST = re.compile(r"[/?#\\]")
_HOST_AND_PORT = re.compile(r"(\[[^\]]*\]|[^:]*)(?::([0-9]*))?")
_DEFAULT_PORTS = ("", "80", "443")
_ESCAPE = re.compile("%([0-9A-Fa-f]{2})")
_PLAIN = frozenset(string.ascii_letters + string.digits + "-._~")


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
    port = "" if found[2] is None or (not scheme and found[2] in _DEFAULT_PORTS) else f":{found[2]}"
    rest = rest if rest[:1] in ("/", "\\") else f"/{rest}"
    return f"{scheme}//{host}{port}{_ESCAPE.sub(_unescaped, rest)}"


def normal_host(host: str) -> str:
    """Returns the name of a host in lower case, without the dot at its end, international names in their ASCII form."""
    host = (unquote(host) if "%" in host else host).rstrip(".").lower()
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii").rstrip(".")
    except UnicodeError:
        return host


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


def _unescaped(escape: re.Match[str]) -> str:
    plain = chr(int(escape[1], 16))
    return plain if plain in _PLAIN else escape[0].upper()
