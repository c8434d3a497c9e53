"""Addresses, ``host:port``, as settings spell them."""

from typing import Annotated

from pydantic import AfterValidator

_MOST_PORT = 65_535


def split_address(address: str) -> tuple[str, int]:
    """Returns host and port of ``host:port``; an IPv6 host, ``[::1]:7001``, without its brackets.

    Raises:
        ValueError: it is no such address.
    """
    host, _, port = address.rpartition(":")
    if not host or not (port.isascii() and port.isdecimal()) or int(port) > _MOST_PORT:
        raise ValueError(f"{address!r} is not host:port with a port of 0 to {_MOST_PORT}")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ValueError(f"{address!r} is not host:port: an IPv6 address needs brackets, [::1]:7001")
    return host.removeprefix("[").removesuffix("]"), int(port)


def join_address(host: str, port: int) -> str:
    """Returns ``host:port``, with brackets round an IPv6 host."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _checked(address: str) -> str:
    split_address(address)
    return address


# The type of a setting that is an address.
Address = Annotated[str, AfterValidator(_checked)]
