"""A process that sorts, or merges, a part of some million tokens takes no more memory than was announced."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from index_format.layout import TABLE, TOKENIZED
from suffix_engine import longest_part, merge_memory_bytes, sort_memory_bytes

NUM_TOKENS = 6_000_000
THREADS = 2
# The peak of a process's own memory; `ru_maxrss` would begin with that of the process that started it.
_SCRIPT = """
import sys
import suffix_engine
{call}
[peak] = [line for line in open("/proc/self/status") if line.startswith("VmHWM:")]
print(int(peak.split()[1]) * 1024)
"""
_TYPES = {2: "<u2", 4: "<u4"}


def write_text(folder: Path, kind: str, width: int) -> None:
    random = np.random.default_rng(seed=3)
    if kind == "natural":  # as frequent as words are
        tokens = np.minimum(random.zipf(1.2, size=NUM_TOKENS), 50_000)
    else:
        tokens = random.integers(0, 50_000, size=NUM_TOKENS)
    tokens = tokens.astype(_TYPES[width])
    tokens[:: 3 if kind == "tiny documents" else 600] = 256**width - 1
    tokens.tofile(folder / TOKENIZED)


def peak_of(call: str) -> int:
    script = _SCRIPT.format(call=call)
    finished = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return int(finished.stdout)


def peak_of_sorting(folder: Path, width: int, part: int, num_parts: int) -> int:
    options = f"token_width={width}, num_threads={THREADS}, accelerate=True, num_parts={num_parts}, part={part}"
    return peak_of(f"suffix_engine.sort_part({str(folder)!r}, {options})")


@pytest.mark.parametrize("width", [2, 4])
@pytest.mark.parametrize("kind", ["random", "natural", "tiny documents"])
def test_sorting_a_shard_takes_no_more_than_announced(kind: str, width: int, tmp_path: Path) -> None:
    write_text(tmp_path, kind, width)
    peak = peak_of_sorting(tmp_path, width, part=0, num_parts=1)
    assert NUM_TOKENS * 4 < peak <= sort_memory_bytes(NUM_TOKENS, width, THREADS)


@pytest.mark.parametrize("in_memory", [False, True])
@pytest.mark.parametrize("width", [2, 4])
@pytest.mark.parametrize("kind", ["random", "natural"])
def test_sorting_and_merging_parts_take_no_more_than_announced(
    kind: str, width: int, in_memory: bool, tmp_path: Path
) -> None:
    write_text(tmp_path, kind, width)
    longest = longest_part(tmp_path, token_width=width, num_parts=3)
    for part in range(3):
        assert peak_of_sorting(tmp_path, width, part, 3) <= sort_memory_bytes(longest, width, THREADS)
    budget = merge_memory_bytes(NUM_TOKENS, width, 3, THREADS) + NUM_TOKENS * width * in_memory
    options = f"token_width={width}, num_threads={THREADS}, accelerate=True, num_parts=3, memory_bytes={budget}"
    peak = peak_of(f"suffix_engine.merge_parts({str(tmp_path)!r}, {options})")
    assert peak <= budget
    assert (tmp_path / TABLE).exists()
