"""Which processes a soak looks at, and what they are called."""

import re

import psutil

COORDINATOR, REPLICA, SHARD_SERVER = "coordinator, main process", "coordinator replica", "shard server"
"""What processes of ours are called; more follows the name of a shard server, and a number where there are several."""

_SHARD_SERVER = re.compile(r"-m shard_server .*?--index (\S+) .*?--shard (\d+) .*?--listen (\S+)")
_RAY = re.compile(r"ray::([\w:]+)")
_PROGRAMS = ("gcs_server", "raylet", "haproxy", "dashboard", "log_monitor", "monitor", "runtime_env")


def processes_below() -> list[psutil.Process]:
    """Returns all that this process started, and what those started."""
    return psutil.Process().children(recursive=True)


def part_of(process: psutil.Process) -> str:
    """Returns what a process of the system is; nothing for one that is none, such as a client of the load.

    Raises:
        psutil.Error: it has ended.
    """
    command = " ".join(process.cmdline())
    if found := _SHARD_SERVER.search(command):
        index, shard, listen = found.groups()
        return f"{SHARD_SERVER} {shard} at {listen.rpartition(':')[2]}, {index.rpartition('/')[2]}"
    if "-m coordinator" in command:
        return COORDINATOR
    if found := _RAY.search(command):
        name = found.group(1)
        return REPLICA if name.startswith("ServeReplica") else f"Ray: {name}"
    program = process.name()
    known = next((each for each in _PROGRAMS if each in command), "")
    return f"Ray: {known}" if known and program != "sh" else ""
