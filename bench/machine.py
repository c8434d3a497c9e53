"""On what a bench ran: numbers from a busy machine mean little without it."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil


@dataclass(frozen=True, slots=True)
class Conditions:
    """The machine, and how busy it was when the bench began and ended."""

    processor: str
    cores: int
    memory_gib: float
    load_before: float
    load_after: float

    def describe(self) -> str:
        """Returns one line for people."""
        return (
            f"{self.cores} cores ({self.processor}), {self.memory_gib:.0f} GiB, "
            f"load average {self.load_before:.1f} before and {self.load_after:.1f} after"
        )

    def as_json(self) -> dict[str, Any]:
        """Returns the fields under their names."""
        return {name: getattr(self, name) for name in self.__slots__}


def load_average() -> float:
    """Returns the load average of the last minute."""
    return os.getloadavg()[0]


def conditions(load_before: float) -> Conditions:
    """Returns the machine and its load now."""
    return Conditions(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=psutil.virtual_memory().total / 2**30,
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
