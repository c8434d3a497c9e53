"""Addresses as settings spell them."""

import pytest

from runtime.address import join_address, split_address


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("127.0.0.1:7001", ("127.0.0.1", 7001)),
        ("[::1]:0", ("::1", 0)),
        ("shard-0.headwater.svc:65535", ("shard-0.headwater.svc", 65535)),
    ],
)
def test_an_address_is_host_and_port_and_goes_back(address: str, parts: tuple[str, int]) -> None:
    assert split_address(address) == parts
    assert join_address(*parts) == address


@pytest.mark.parametrize(
    "address", ["", "7001", ":7001", "host:", "host:-1", "host:65536", "host:x", "host:٣", "::1:7"]
)
def test_what_is_no_address_is_named(address: str) -> None:
    with pytest.raises(ValueError, match="is not host:port"):
        split_address(address)
