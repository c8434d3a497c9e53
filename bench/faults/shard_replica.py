"""One shard server of the suite: it can be killed, frozen, stopped gently, and started again where it was."""

import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.errors import BenchError
from coordinator.local.child_processes import end_processes
from headwater.server_process import ServerProcess

_START_S = 60.0
_STOP_S = 20.0
# It checks every file before it refuses; a server that would serve after all is waited for as long.
_VAIN_START_S = 60.0


class ShardReplica:
    """A shard server of one shard.

    Attributes:
        name: What the suite calls it.
        listen: Where it listens, ``host:port``; the same however often it starts.
        index: The directory that it serves from.
    """

    def __init__(
        self,
        shard: int,
        replica: int,
        index: Path,
        listen: str,
        directory: Path,
        *,
        prefix: Sequence[str] = (),
        settings: Mapping[str, str] | None = None,
    ):
        """Takes what to serve and where; nothing is started yet.

        Args:
            shard: Number of the shard.
            replica: Number of the replica, for its name.
            index: The directory to serve from.
            listen: Where to listen.
            directory: Where the log goes.
            prefix: Command that runs the server, such as one that puts it into a network namespace.
            settings: More settings of the server, by flag.
        """
        self.name = f"{index.name}-shard-{shard}-{replica}"
        self.listen = listen
        self.index = index
        self._shard, self._replica, self._prefix = shard, replica, tuple(prefix)
        self._directory = directory
        self._process: ServerProcess | None = None
        flags = {"--drain-s": "5", "--search-threads": "1", "--log-level": "warning", **(settings or {})}
        self._command = [*prefix, sys.executable, "-m", "shard_server", "--index", str(index), "--shard", str(shard)]
        # The other end of a network of this machine is an address that others could reach.
        self._command += ["--insecure-public"] if prefix else []
        self._command += ["--listen", listen, "--stop-with-stdin", *(part for flag in flags.items() for part in flag)]

    def with_settings(self, settings: Mapping[str, str]) -> "ShardReplica":
        """Returns another server for the same shard and address, not started yet; they cannot run both."""
        return ShardReplica(
            self._shard,
            self._replica,
            self.index,
            self.listen,
            self._directory,
            prefix=self._prefix,
            settings=settings,
        )

    @property
    def endpoint(self) -> tuple[str, int]:
        """Where it listens."""
        host, _, port = self.listen.rpartition(":")
        return host, int(port)

    def start(self) -> None:
        """Starts the server; `wait_until_ready` follows.

        Raises:
            BenchError: it runs already.
        """
        if self._process is not None:
            raise BenchError(f"{self.name} runs already")
        self._process = ServerProcess(self.name, self._command, self._directory)

    def wait_until_ready(self) -> None:
        """Returns once calls are answered.

        Raises:
            LocalClusterError: the server ended, or took too long.
        """
        self._running.wait_until_ready("listening on ", _START_S)

    def restart(self) -> None:
        """Starts the server where it was, and waits for it."""
        self.start()
        self.wait_until_ready()

    def kill(self) -> None:
        """Ends the process by SIGKILL: no word to anybody, and the system closes its connections."""
        server, self._process = self._running, None
        end_processes(server.with_descendants(), 0)
        server.reap()

    def freeze(self) -> None:
        """Stops the process by SIGSTOP: its connections stand, and nothing is answered."""
        os.kill(self._running.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets a frozen process go on."""
        os.kill(self._running.pid, signal.SIGCONT)

    def stop(self) -> None:
        """Stops the server as an operator does, by SIGTERM, and waits until it is gone. Raises as `finish_stop`."""
        self.begin_stop()
        self.finish_stop()

    def begin_stop(self) -> None:
        """Tells the server to stop; `finish_stop` waits for it."""
        os.kill(self._running.pid, signal.SIGTERM)

    def finish_stop(self) -> None:
        """Waits until the server has stopped.

        Raises:
            BenchError: it did not stop in time; it is killed.
        """
        code = self._running.wait(_STOP_S)
        self.kill()
        if code is None:
            raise BenchError(f"{self.name} had not stopped {_STOP_S:.0f} s after SIGTERM")

    def end(self) -> None:
        """Ends whatever is left of it."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.thaw()
            self.kill()

    @property
    def has_ended(self) -> bool:
        """Whether it has ended, or was never started."""
        return self._process is None or self._process.has_ended

    def start_in_vain(self) -> str | None:
        """Starts a server that is to refuse; returns the end of its log once it has, or None if it serves."""
        self.start()
        code = self._running.wait(_VAIN_START_S)
        said = self._running.log_tail()
        self.kill()
        return said if code else None

    @property
    def _running(self) -> ServerProcess:
        if self._process is None:
            raise BenchError(f"{self.name} does not run")
        return self._process
