"""On what a load test ran."""

import os
import platform
from pathlib import Path

import psutil

from loadtest.results import Machine


def load_average() -> float:
    """Returns the load average of the last minute."""
    return os.getloadavg()[0]


def machine(load_before: float) -> Machine:
    """Returns this machine, with its load before and now."""
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=psutil.virtual_memory().total / 2**30,
        kernel=f"{platform.system()} {platform.release()}",
        load_before=load_before,
        load_after=load_average(),
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
