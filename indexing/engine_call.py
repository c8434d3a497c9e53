"""Has the engine work on a shard in a process that ends with this one, and at once on any exception here."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from indexing.errors import EngineCallError, EngineKilledError

_SCRIPT = Path(__file__).with_name("engine_process.py")
# The engine knows neither the index of a shard nor its number there.
_ENGINES_ADVICE = "; build the sidecars again with 'headwater index accelerate --force'"


def call_engine(
    task: Literal["sort", "merge", "accelerate", "open", "verify"],
    directory: Path,
    *,
    token_width: int,
    num_threads: int,
    number: int = 0,
    heard: Callable[[str], None] = lambda line: None,
    held_open: Sequence[int] = (),
    options: Sequence[str] = (),
    started: Callable[["subprocess.Popen[bytes]"], None] = lambda process: None,
) -> None:
    """Does ``task`` on the shard of this number in ``directory``; ``heard`` is told every line that the process prints.

    The descriptors ``held_open`` stay open until the process has ended, even if this one is killed before. ``options``
    are further arguments of some tasks. ``started`` is given the process, so that another thread can kill it.

    Raises:
        EngineCallError: the engine raised an error, whose message it has.
        EngineKilledError: the process was killed.
    """
    # -P keeps this folder, with its modules' common names, off the child's import path.
    arguments = (task, str(directory), str(number), str(token_width), str(num_threads), *options)
    command = [sys.executable, "-P", str(_SCRIPT), *arguments]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(  # noqa: S603 - our own script, arguments as a list
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        pass_fds=held_open,
    ) as child:
        try:
            started(child)
            # Waits for the end of standard output, and leaves standard input open: it tells the child that we live.
            # What the child writes to standard error is one short message, for which a pipe always has room.
            assert child.stdout is not None
            assert child.stderr is not None
            for line in child.stdout:
                heard(line.decode().rstrip("\n"))
            message = child.stderr.read().decode(errors="replace").strip()
            code = child.wait()
        finally:
            child.kill()
    if code < 0:
        reason = "; did the machine run out of memory?" if -code == signal.SIGKILL else f" ({message})"
        raise EngineKilledError(
            f"{directory}: the process at work on this shard ({task}) was killed by {_signal_name(-code)}{reason}"
        )
    if code != 0:
        raise EngineCallError(message)


def without_advice(message: str) -> str:
    """Returns a message of the engine without what it advises about damaged sidecars, where better can be said."""
    return message.removesuffix(_ENGINES_ADVICE)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
