"""A whole cluster on one machine: shard servers and a coordinator on Ray, started and stopped together."""

import errno
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import yaml

from coordinator.corpus import DEFAULT_NAME
from coordinator.local.child_processes import end_processes
from coordinator.local.free_ports import free_ports
from headwater.server_process import LocalClusterError, ServerProcess, stop_gently
from index_format.manifest import IndexManifest

__all__ = ["LocalCluster", "LocalClusterError"]

# Opening is O(documents), a few seconds for a large shard on a cold disk.
_SHARDS_START_S = 300.0
# Measured on 2 idle cores: 15 s; a busy machine needs several times that.
_COORDINATOR_START_S = 180.0
_SHARD_DRAIN_S = 5.0
_SHARDS_STOP_S = _SHARD_DRAIN_S + 2.0
_COORDINATOR_STOP_S = 20.0


class LocalCluster:
    """Serves an index on this machine while the ``with`` block runs.

    Attributes:
        grpc_target: Where the coordinator answers gRPC, ``host:port``.
        http_url: Where it answers HTTP.
        replica_addresses: The servers of each shard, in shard order.
        index: The manifest of the index.
    """

    def __init__(
        self,
        index_directory: str | os.PathLike[str],
        *,
        host: str = "127.0.0.1",
        grpc_port: int = 0,
        http_port: int = 0,
        shards_per_server: int = 1,
        replicas_per_shard: int = 1,
        coordinator_settings: Mapping[str, object] | None = None,
        shard_settings: Mapping[str, object] | None = None,
        on_progress: Callable[[str], None] | None = None,
    ):
        """Takes what to serve and where; port 0 means any free one. Nothing is started yet.

        ``coordinator_settings`` and ``shard_settings`` are further settings of the coordinator and the shard servers,
        by name (docs/configuration.md). Each shard server has a folder of its own in their ``state_dir``.

        Raises:
            IndexFormatError: there is no finished index, or a shard is not as it was published.
        """
        self._index_directory = Path(index_directory).resolve()
        self.index = IndexManifest.load(self._index_directory)
        self.index.load_shards(self._index_directory)
        self._host = host
        self._ports = (grpc_port, http_port)
        self._shards_per_server = shards_per_server
        self._replicas_per_shard = replicas_per_shard
        self._coordinator_settings = dict(coordinator_settings or {})
        self._shard_settings = dict(shard_settings or {})
        self._progress = on_progress or (lambda _: None)
        self._shard_servers: list[ServerProcess] = []
        self._server_addresses: list[str] = []
        self._coordinator: ServerProcess | None = None
        self._directory: Path | None = None
        self.replica_addresses: list[list[str]] = []
        self.grpc_target = self.http_url = ""

    def start(self) -> None:
        """Starts everything and returns once requests are answered. If that fails, nothing is left running.

        Raises:
            LocalClusterError: the host is not this machine's, a port is in use, or a process ended or did not get
                ready in time.
        """
        grpc_port, http_port = (_checked_port(self._host, port) for port in self._ports)
        self._directory = Path(tempfile.mkdtemp(prefix="hw-", dir=_short_temp_dir()))
        try:
            self._start_shard_servers()
            self._start_coordinator(grpc_port, http_port)
        except BaseException:
            self.stop()
            raise
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.grpc_target = f"{host}:{grpc_port}"
        self.http_url = f"{'https' if self._coordinator_settings.get('tls_cert') else 'http'}://{host}:{http_port}"

    def stop(self) -> None:
        """Stops everything: gently first, then surely. Stopping again does nothing."""
        coordinators = [self._coordinator] if self._coordinator is not None else []
        started = [*coordinators, *self._shard_servers]
        family = [member for server in started for member in server.with_descendants()]
        try:
            # Each stops when its standard input closes. The coordinator first, so that it loses no shard.
            for group, timeout_s in ((coordinators, _COORDINATOR_STOP_S), (self._shard_servers, _SHARDS_STOP_S)):
                stop_gently(group, timeout_s)
        finally:
            end_processes(family, 0)
            for server in started:
                server.reap()
            self._shard_servers, self._coordinator = [], None
            if self._directory is not None:
                shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def shard_addresses(self) -> list[str]:
        """Where the first replica of each shard is served, in shard order."""
        return [addresses[0] for addresses in self.replica_addresses]

    def lost_shards(self) -> list[str]:
        """Returns the addresses of the shard servers that have ended; traces go on without them."""
        servers = zip(self._server_addresses, self._shard_servers, strict=False)
        return [address for address, server in servers if server.has_ended]

    def coordinator_log(self) -> str | None:
        """Returns the end of the coordinator's log if the coordinator has ended, else None."""
        if self._coordinator is None or not self._coordinator.has_ended:
            return None
        return self._coordinator.log_tail()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _start_shard_servers(self) -> None:
        groups = [
            group
            for _ in range(self._replicas_per_shard)
            for group in _groups(self.index.num_shards, self._shards_per_server)
        ]
        self._progress(f"starting {len(groups)} shard server(s)")
        threads = max(1, (os.cpu_count() or 1) // len(groups))  # all are asked at once, so they share the cores
        for number, group in enumerate(groups):
            arguments = ["--index", str(self._index_directory), "--listen", "127.0.0.1:0", "--stop-with-stdin"]
            arguments += ["--drain-s", str(_SHARD_DRAIN_S), "--log-level", "warning"]
            arguments += ["--search-threads", str(threads)]
            arguments += [part for shard in group for part in ("--shard", str(shard))]
            name = f"shard-server-{number}"
            arguments += _flags(_own_state(self._shard_settings, name))
            self._shard_servers.append(self._spawn("shard_server", arguments, name))
        self.replica_addresses = [[] for _ in range(self.index.num_shards)]
        for group, server in zip(groups, self._shard_servers, strict=True):
            address = server.wait_until_ready("listening on ", _SHARDS_START_S)
            self._server_addresses.append(address)
            for shard in group:
                self.replica_addresses[shard].append(address)

    def _start_coordinator(self, grpc_port: int, http_port: int) -> None:
        self._progress("starting the coordinator on Ray")
        assert self._directory is not None
        cluster_file = self._directory / "cluster.yaml"
        shards = [{"shard": shard, "replicas": servers} for shard, servers in enumerate(self.replica_addresses)]
        corpus = {"name": DEFAULT_NAME, "index": str(self._index_directory), "shards": shards}
        cluster_file.write_text(yaml.safe_dump({"corpora": [corpus]}))
        arguments = ["--cluster-file", str(cluster_file), "--host", self._host, "--stop-with-stdin"]
        arguments += ["--grpc-port", str(grpc_port), "--http-port", str(http_port), "--temp-dir", str(self._directory)]
        arguments += _flags(self._coordinator_settings)
        self._coordinator = self._spawn("coordinator", arguments, "coordinator")
        self._coordinator.wait_until_ready("serving on ", _COORDINATOR_START_S)

    def _spawn(self, module: str, arguments: list[str], name: str) -> ServerProcess:
        """Starts ``python -m module``."""
        assert self._directory is not None
        return ServerProcess(name, [sys.executable, "-m", module, *arguments], self._directory)


def _own_state(settings: Mapping[str, object], name: str) -> Mapping[str, object]:
    """Returns the settings of one shard server of several: no two may keep their state in the same place."""
    if "state_dir" not in settings:
        return settings
    return {**settings, "state_dir": Path(str(settings["state_dir"])) / name}


def _flags(settings: Mapping[str, object]) -> list[str]:
    """Returns settings as they stand on a command line."""
    flags = []
    for name, value in settings.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            flags.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            flags += [f"--{flag}", str(value)]
    return flags


def _groups(num_shards: int, size: int) -> Iterator[range]:
    for first in range(0, num_shards, size):
        yield range(first, min(first + size, num_shards))


def _checked_port(host: str, port: int) -> int:
    """Returns ``port``, or a free one for 0.

    Raises:
        LocalClusterError: the host is not one to listen on, or something listens on the port already: Ray would
            share it and say nothing.
    """
    try:
        socket.getaddrinfo(host, port)
    except (OSError, UnicodeError):
        raise LocalClusterError(
            f"host {host!r} cannot be resolved; --host takes an address of this machine, such as 127.0.0.1, or "
            "0.0.0.0 for all of them"
        ) from None
    port = port or free_ports(1)[0]
    # Serve's own proxies, unlike HAProxy, listen on every interface: the port must be free on all of them.
    for interface in dict.fromkeys((host, "")):
        family = socket.AF_INET6 if ":" in interface else socket.AF_INET
        try:
            socket.create_server((interface, port), family=family).close()
        except OSError as error:
            raise LocalClusterError(f"{host}:{port}: cannot listen there ({_advice(host, error)})") from None
    return port


def _advice(host: str, error: OSError) -> str:
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is not an address of this machine; --host takes one that is, or 0.0.0.0 for all of them"
    if error.errno == errno.EACCES:
        return "permission denied; ports below 1024 are the system's, choose others with --grpc-port and --http-port"
    if error.errno == errno.EADDRINUSE:
        return "in use; another cluster may be running, choose other ports with --grpc-port and --http-port"
    return str(error.strerror)


def _short_temp_dir() -> str | None:
    # Ray and HAProxy put sockets some 80 characters deeper, and the path of one has at most 97 characters.
    return "/tmp" if len(tempfile.gettempdir()) > 12 and Path("/tmp").is_dir() else None  # noqa: S108
