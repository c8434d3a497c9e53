"""Ports that a server can bind a while later."""

import socket

import pytest

from coordinator.local import free_ports as module
from coordinator.local.free_ports import free_block, free_ports


def test_ports_are_distinct_free_and_not_those_of_outgoing_connections() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert max(ports) < 30_000
    for port in ports:
        socket.create_server(("", port)).close()


def test_a_port_in_use_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    [used, free] = free_ports(2)
    monkeypatch.setattr(module, "_PORTS", range(min(used, free), max(used, free) + 1, abs(used - free)))
    with socket.create_server(("", used)):
        assert free_ports(1) == [free]
        with pytest.raises(OSError, match=r"1 ports of .* are free, 2 are needed"):
            free_ports(2)


def test_a_block_has_no_port_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    block = free_block(20)
    assert len(block) == 20
    monkeypatch.setattr(module, "_BLOCKS", block)
    with socket.create_server(("", block[13])):
        assert free_block(10) == block[:10]
        with pytest.raises(OSError, match="no 20 ports in a row"):
            free_block(20)
