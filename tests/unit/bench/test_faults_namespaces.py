"""A namespace's link is cut without a word to anybody, and mended."""

import socket
import subprocess
import sys

import pytest

from bench.faults.namespaces import Namespace, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=f"no network namespaces here: {why_not()}")

ECHO = """
import socket
with socket.create_server(("0.0.0.0", 7007)) as listener:
    print("ready", flush=True)
    connection, _ = listener.accept()
    while said := connection.recv(100):
        connection.sendall(said)
"""


def test_what_is_sent_over_a_cut_link_arrives_once_it_is_mended() -> None:
    with Namespace() as namespace:
        command = namespace.command([sys.executable, "-c", ECHO])
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n"
            try:
                _cut_and_mend(namespace)
            finally:
                server.kill()
    left = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    assert namespace.command([])[3] not in left


def _cut_and_mend(namespace: Namespace) -> None:
    with socket.create_connection((namespace.address, 7007), timeout=5) as connection:
        connection.sendall(b"one")
        assert connection.recv(3) == b"one"
        namespace.cut()
        connection.sendall(b"two")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(3)
        namespace.mend()
        connection.settimeout(20)
        assert connection.recv(3) == b"two"
