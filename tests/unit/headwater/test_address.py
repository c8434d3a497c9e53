"""Addresses of coordinators."""

import pytest

from coordinator.errors import InvalidRequestError
from headwater.address import checked_address


@pytest.mark.parametrize("address", ["127.0.0.1:9000", "localhost:1", "a-b.example.org:65535", "[::1]:9000"])
def test_host_with_a_port_is_an_address(address: str) -> None:
    assert checked_address(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "127.0.0.1",
        "127.0.0.1:",
        ":9000",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "localhost:http",
        "localhost:٣",
        "::1",
        "::1:9000",
        "http://127.0.0.1:9000",
        "127.0.0.1:9000/",
        "127.0.0.1:9000\n",
        "a b:9000",
    ],
)
def test_anything_else_is_refused(address: str) -> None:
    with pytest.raises(InvalidRequestError, match="expected host:port with a port of 1 to 65535"):
        checked_address(address)
