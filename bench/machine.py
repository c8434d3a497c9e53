"""On what a bench ran: numbers from a busy machine mean little without it."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.corpus import KEPT, REPOSITORY


@dataclass(frozen=True, slots=True)
class Conditions:
    """The machine, and how busy it was when the bench began and ended."""

    processor: str
    cores: int
    memory_gib: float
    kernel: str
    disk: str
    load_before: float
    load_after: float

    def describe(self) -> str:
        """Returns one line for people."""
        return (
            f"{self.cores} cores ({self.processor}), {self.memory_gib:.0f} GiB, "
            f"{self.kernel}, {self.disk}, load average {self.load_before:.1f} before and {self.load_after:.1f} after"
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
        kernel=f"{platform.system()} {platform.release()}",
        disk=_disk(KEPT if KEPT.exists() else REPOSITORY),
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


def _disk(path: Path) -> str:
    """Returns the device that holds ``path``, its file system and its capacity."""
    whole = psutil.disk_usage(str(path)).total / 2**30
    mounts = [part for part in psutil.disk_partitions(all=True) if path.is_relative_to(part.mountpoint)]
    mount = max(mounts, key=lambda part: len(part.mountpoint))
    return f"{mount.device} ({mount.fstype}, {whole:.0f} GiB)"
