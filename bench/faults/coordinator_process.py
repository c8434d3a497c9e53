"""The coordinator of the suite, on a Ray of its own, and how to kill one of its replicas."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from bench.errors import BenchError
from coordinator.local.child_processes import end_processes
from coordinator.local.free_ports import free_ports
from headwater.server_process import ServerProcess, stop_gently

_START_S = 180.0
_STOP_S = 30.0
# What Ray calls the worker process of a Serve replica.
_REPLICA = "ServeReplica:"


class CoordinatorProcess:
    """``python -m coordinator``, with everything that Ray starts for it.

    Attributes:
        target: Where it answers gRPC, ``host:port``.
        http_url: Where it answers HTTP.
    """

    def __init__(self, cluster_file: Path, directory: Path, *, replicas: int, settings: Mapping[str, str]):
        """Starts it; `wait_until_ready` follows.

        Args:
            cluster_file: Where the shards are.
            directory: For logs and Ray's files; a short path, since sockets go deeper.
            replicas: Replicas of the coordinator.
            settings: More settings, by environment variable.
        """
        grpc_port, http_port = free_ports(2)
        self.target, self.http_url = f"127.0.0.1:{grpc_port}", f"http://127.0.0.1:{http_port}"
        command = [sys.executable, "-m", "coordinator", "--cluster-file", str(cluster_file), "--stop-with-stdin"]
        command += ["--grpc-port", str(grpc_port), "--http-port", str(http_port), "--temp-dir", str(directory)]
        command += ["--replicas", str(replicas)]
        self._num_replicas = replicas
        self._process = ServerProcess("coordinator", command, directory, settings)

    def wait_until_ready(self) -> None:
        """Returns once requests are answered.

        Raises:
            LocalClusterError: it ended, or took too long.
        """
        self._process.wait_until_ready("serving on ", _START_S)

    def replicas(self) -> list[psutil.Process]:
        """Returns the Ray workers that are its replicas, oldest first."""
        found = [each for each in self._process.with_descendants() if _is_replica(each)]
        return sorted(found, key=lambda each: each.create_time())

    def kill_replica(self, held_s: float) -> None:
        """Kills one replica with the Ray worker that it is, in the middle of its requests: frozen, these pile up.

        Raises:
            BenchError: it has not as many replicas as it should.
        """
        replicas = self.replicas()
        if len(replicas) < self._num_replicas:
            raise BenchError(f"the coordinator has {len(replicas)} replicas, expected {self._num_replicas}")
        replicas[0].suspend()
        time.sleep(held_s)
        replicas[0].kill()

    def end(self) -> None:
        """Stops it gently, then surely."""
        family = self._process.with_descendants()
        stop_gently([self._process], _STOP_S)
        end_processes(family, 0)
        self._process.reap()


def _is_replica(process: psutil.Process) -> bool:
    try:
        return any(_REPLICA in part for part in process.cmdline())
    except psutil.Error:
        return False
