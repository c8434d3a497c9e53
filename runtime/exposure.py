"""Where a process may listen.

On loopback as it likes; elsewhere only over TLS, and to callers that prove who they are.
"""

import ipaddress
import logging
import socket

from runtime.address import split_address
from runtime.errors import PublicListenError

_log = logging.getLogger(__name__)


def is_loopback(host: str) -> bool:
    """Returns whether only this machine reaches ``host``. A name is one if all its addresses are."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        pass
    try:
        found = {information[4][0] for information in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return False
    return bool(found) and all(ipaddress.ip_address(str(address).partition("%")[0]).is_loopback for address in found)


def check_listening(address: str, *, is_encrypted: bool, knows_callers: bool, advice: str, is_allowed: bool) -> None:
    """Returns if a process may listen at ``address``; logs a warning if it is open there and that is ``is_allowed``.

    Args:
        address: ``host:port``.
        is_encrypted: Whether TLS is on.
        knows_callers: Whether callers must show a key or a certificate.
        advice: The settings that would make it safe.
        is_allowed: Whether the operator has said that it may be open to all.

    Raises:
        PublicListenError: others reach the address, and one of the two is missing.
    """
    if (is_encrypted and knows_callers) or is_loopback(split_address(address)[0]):
        return
    open_to = "anybody who reaches it may ask" if not knows_callers else "what it says can be read on the way"
    if not is_allowed:
        raise PublicListenError(
            f"{address}: this is not a loopback address, and {open_to}; give {advice}, listen on 127.0.0.1, or set "
            "insecure_public if something else keeps others out"
        )
    _log.warning("listening in public without protection", extra={"address": address, "reason": open_to})


def check_metrics_listening(address: str, *, is_allowed: bool) -> None:
    """Returns if probes and metrics may be answered at ``address``: they have no TLS and ask nobody for a key.

    Args:
        address: ``host:port``.
        is_allowed: Whether the operator has said that others than this machine may read them.

    Raises:
        PublicListenError: others reach the address, and nobody has said so.
    """
    if not is_allowed and not is_loopback(split_address(address)[0]):
        raise PublicListenError(
            f"metrics_listen {address}: this is not a loopback address, and whoever reaches it may read probes and "
            "metrics; listen on 127.0.0.1, or set insecure_public_metrics if something else keeps others out"
        )
