"""What a disk gives at best: random reads of 4 KiB, measured by fio past the page cache."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError

_SECONDS = 3
# Asynchronous reads; where neither works, fio itself says why.
_ENGINES = ("io_uring", "libaio")


@dataclass(frozen=True, slots=True)
class RandomReads:
    """Reads of 4 KiB a second, and the median time of one in microseconds, with ``depth`` of them in flight."""

    depth: int
    per_second: float
    median_us: float


def is_installed() -> bool:
    """Returns whether fio is there to be run."""
    return shutil.which("fio") is not None


def random_reads(path: Path, depth: int) -> RandomReads:
    """Reads at random from a file, which is only read, for three seconds.

    Raises:
        BenchError: fio failed with every way of asynchronous reading.
    """
    messages = []
    for engine in _ENGINES:
        finished = subprocess.run(_command(path, depth, engine), capture_output=True, text=True, check=False)
        if finished.returncode == 0:
            return _parse(finished.stdout, depth)
        messages.append(finished.stderr.strip()[-200:])
    raise BenchError(f"fio cannot read {path}: {'; '.join(messages)}")


def _command(path: Path, depth: int, engine: str) -> list[str]:
    settings = {
        "name": "random",
        "filename": str(path),
        "rw": "randread",
        "bs": "4k",
        "direct": "1",
        "ioengine": engine,
        "iodepth": str(depth),
        "runtime": str(_SECONDS),
        "output-format": "json",
    }
    return ["fio", "--readonly", "--time_based", *(f"--{name}={value}" for name, value in settings.items())]


def _parse(output: str, depth: int) -> RandomReads:
    read = json.loads(output)["jobs"][0]["read"]
    return RandomReads(depth, read["iops"], read["clat_ns"]["percentile"]["50.000000"] / 1000)
