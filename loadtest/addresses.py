"""Whom a load may be sent to: this machine, unless its user says otherwise."""

import ipaddress
import socket

import psutil

from loadtest.errors import LoadTestError


def check_target(target: str, *, allow_remote: bool) -> None:
    """Returns if a load may be sent to ``host:port``.

    Raises:
        LoadTestError: the address is none, cannot be resolved, or is not of this machine and that is not allowed.
    """
    host, colon, port = target.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (colon and host and port.isdecimal() and 0 < int(port) < 65_536):
        raise LoadTestError(f"target {target!r}, expected HOST:PORT, such as 127.0.0.1:9000")
    try:
        found = {str(information[4][0]).partition("%")[0] for information in socket.getaddrinfo(host, int(port))}
    except (OSError, UnicodeError) as error:
        raise LoadTestError(f"target {target}: {host} cannot be resolved ({error})") from error
    elsewhere = sorted(address for address in found if not _is_own(address))
    if elsewhere and not allow_remote:
        raise LoadTestError(
            f"target {target}: {', '.join(elsewhere)} is not an address of this machine; a load test can take a server "
            "down: if it is yours and nobody else uses it, say --allow-remote"
        )


def is_on_this_machine(target: str) -> bool:
    """Returns whether all addresses of ``host:port`` are this machine's."""
    try:
        check_target(target, allow_remote=False)
    except LoadTestError:
        return False
    return True


def _is_own(address: str) -> bool:
    if ipaddress.ip_address(address).is_loopback:
        return True
    return any(
        each.address.partition("%")[0] == address for interface in psutil.net_if_addrs().values() for each in interface
    )
