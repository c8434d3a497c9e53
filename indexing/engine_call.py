"""Has the engine sort or verify a shard in a process that ends with this one, and at once on any exception here."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Literal

from indexing.errors import EngineCallError, EngineKilledError

_SCRIPT = Path(__file__).with_name("engine_process.py")


def call_engine(task: Literal["sort", "verify"], directory: Path, *, token_width: int, num_threads: int) -> str:
    """Does ``task`` on the shard in ``directory`` and returns what the process of the engine printed.

    Raises:
        EngineCallError: the engine raised an error, whose message it has.
        EngineKilledError: the process was killed.
    """
    # -P keeps this folder, with its modules' common names, off the child's import path.
    command = [sys.executable, "-P", str(_SCRIPT), task, str(directory), str(token_width), str(num_threads)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(  # noqa: S603 - our own script, arguments as a list
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as child:
        try:
            # Waits for the end of standard error, and leaves standard input open: it tells the child that we live.
            # What the child prints is one short line, for which a pipe always has room.
            assert child.stderr is not None
            assert child.stdout is not None
            message = child.stderr.read().decode(errors="replace").strip()
            printed = child.stdout.read().decode()
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
    return printed


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
