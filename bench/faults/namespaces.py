"""A network namespace with a link to this one, which can be cut as a cable is: no reset, no refusal, only silence."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from types import TracebackType
from typing import Self


class Namespace:
    """A namespace while the ``with`` block runs.

    Attributes:
        address: Where a server in it is reached.
    """

    def __init__(self) -> None:
        number = os.getpid()
        # Two runs on one machine need networks of their own: four addresses each.
        subnet = f"10.231.{number // 64 % 256}"
        first = number % 64 * 4
        self._host, self.address = f"{subnet}.{first + 1}", f"{subnet}.{first + 2}"
        self._name, self._outer, self._inner = f"hw-{number}", f"hwo{number}", f"hwi{number}"

    def command(self, program: Sequence[str]) -> list[str]:
        """Returns the command that runs a program in the namespace."""
        return ["ip", "netns", "exec", self._name, *program]

    def cut(self) -> None:
        """Takes the link down at its far end: what is sent is lost, and nobody is told."""
        self._inside("ip", "link", "set", self._inner, "down")

    def mend(self) -> None:
        """Takes the link up again."""
        self._inside("ip", "link", "set", self._inner, "up")

    def __enter__(self) -> Self:
        try:
            _run("ip", "netns", "add", self._name)
            _run("ip", "link", "add", self._outer, "type", "veth", "peer", "name", self._inner, "netns", self._name)
            _run("ip", "addr", "add", f"{self._host}/30", "dev", self._outer)
            _run("ip", "link", "set", self._outer, "up")
            self._inside("ip", "addr", "add", f"{self.address}/30", "dev", self._inner)
            self._inside("ip", "link", "set", self._inner, "up")
            self._inside("ip", "link", "set", "lo", "up")
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._remove()

    def _inside(self, *command: str) -> None:
        _run(*self.command(command))

    def _remove(self) -> None:
        # A link goes with the namespace that holds one end of it, if only once its last process has ended.
        for command in (("ip", "link", "del", self._outer), ("ip", "netns", "del", self._name)):
            subprocess.run(command, capture_output=True, check=False)


def why_not() -> str:
    """Returns why this machine allows no namespaces, or nothing if it does."""
    if shutil.which("ip") is None:
        return "iproute2 is not installed"
    try:
        with Namespace():
            return ""
    except subprocess.CalledProcessError as error:
        said: str = error.stderr.decode(errors="replace").strip()
        return said.partition("\n")[0] or "ip netns failed"


def _run(*command: str) -> None:
    subprocess.run(command, capture_output=True, check=True)
