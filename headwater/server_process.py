"""A server of this machine in a process of its own: it says on standard output that it is ready, and logs to a file."""

import contextlib
import os
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from coordinator.errors import CoordinatorError

_LOG_TAIL_CHARS = 3_000


class LocalClusterError(CoordinatorError):
    """The cluster cannot start: a port is in use, or one of its processes ended. The message says what it said."""


class ServerProcess:
    """A started server. It stops by itself when this process is gone, for its standard input closes."""

    def __init__(
        self, name: str, command: Sequence[str], directory: Path, environment: Mapping[str, str] | None = None
    ):
        """Starts ``command``.

        Args:
            name: What errors call it; the log is ``name.log`` in ``directory``. A server that is started again under
                its name goes on with the log.
            command: Program and arguments. It ends when its standard input closes.
            directory: Where the log goes.
            environment: Variables on top of this process's own.
        """
        self._name = name
        self._log = directory / f"{name}.log"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 (our own modules)
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **(environment or {})},
                # A Ctrl-C in the terminal is for this process alone, which then stops the others in order.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether it has ended, by itself or not."""
        return self._process.poll() is not None

    def wait_until_ready(self, ready: str, timeout_s: float) -> str:
        """Returns what follows ``ready`` on the line of standard output that begins with it.

        Raises:
            LocalClusterError: it ended, or was not ready in time; says what its log ends with.
        """
        assert self._process.stdout is not None
        deadline, output = time.monotonic() + timeout_s, b""
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self._process.stdout], [], [], min(left, 1.0))[0]:
                continue
            if not (read := os.read(self._process.stdout.fileno(), 4096)):
                break
            output += read
            for line in output.decode(errors="replace").splitlines(keepends=True):
                if line.startswith(ready) and line.endswith("\n"):
                    return line.removeprefix(ready).strip()
        what = "ended" if left > 0 else f"was not ready within {timeout_s:.0f} s"
        raise LocalClusterError(f"{self._name} {what}; its log says:\n{self.log_tail()}")

    def log_tail(self) -> str:
        """Returns the end of its log."""
        return self._log.read_text(errors="replace")[-_LOG_TAIL_CHARS:].strip() or "nothing"

    def with_descendants(self) -> list[psutil.Process]:
        """Returns the process and all that it started, as far as they live."""
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            return [process, *process.children(recursive=True)]
        return []

    def close_input(self) -> None:
        """Tells it to stop."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()

    def wait(self, timeout_s: float) -> int | None:
        """Returns its exit code once it has ended, or None after a while."""
        try:
            return self._process.wait(max(0.0, timeout_s))
        except subprocess.TimeoutExpired:
            return None

    def reap(self) -> None:
        """Waits for a process that was killed, and lets go of its pipes."""
        self._process.wait()
        self.close_input()
        if self._process.stdout is not None:
            self._process.stdout.close()


def stop_gently(servers: Sequence[ServerProcess], timeout_s: float) -> None:
    """Tells servers to stop and gives them some seconds, together."""
    for server in servers:
        server.close_input()
    deadline = time.monotonic() + timeout_s
    for server in servers:
        server.wait(deadline - time.monotonic())
