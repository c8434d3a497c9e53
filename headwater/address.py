"""The address of a coordinator, ``host:port``."""

import re

from coordinator.errors import InvalidRequestError

# A host is a name, an IPv4 address, or an IPv6 address in brackets; a scheme or a path is none of them.
_ADDRESS = re.compile(r"(?:[^\s:/\[\]]+|\[[0-9A-Fa-f:.%\w]+\]):([0-9]{1,5})", re.ASCII)
_MAX_PORT = 65_535


def checked_address(address: str) -> str:
    """Returns ``address`` if it names a host and a port. gRPC would try port 443 where none is named.

    Raises:
        InvalidRequestError: it is not ``host:port``, or the port is not 1 to 65535.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None or not 1 <= int(match[1]) <= _MAX_PORT:
        raise InvalidRequestError(f"coordinator address is {address!r}, expected host:port with a port of 1 to 65535")
    return address
